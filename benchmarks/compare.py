"""Whether the verdicts of ``compare`` deserve their name, tried on providers made up for it.

Times are drawn from distributions whose quantiles are known: log-normal, bimodal (a third of the
requests meets a busy replica) and heavy-tailed (Pareto, of infinite variance). Shown are the
coverage of the 95 % intervals, how often equal providers get a verdict of better or worse, how
often a real difference is found, and what looking repeatedly does. ``--quick`` is a short form
for CI, which fails if a figure is far from where it should be.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # there is a process for each core

import numpy as np

from benchmarks.compare_trials import (
    SHAPES,
    called_worse,
    cover,
    false_verdict,
    look_repeatedly,
)
from exporter.compare.measures import Measure

Outcome = TypeVar("Outcome")


class Trials:
    """Runs a trial with many seeds on all cores."""

    def __init__(self, pool: ProcessPoolExecutor, count: int) -> None:
        self.count = count
        self._pool = pool

    def share(self, trial: Callable[[int], bool]) -> float:
        return float(np.mean(self.outcomes(trial)))

    def outcomes(self, trial: Callable[[int], Outcome]) -> list[Outcome]:
        return list(self._pool.map(trial, range(self.count), chunksize=8))


def print_coverage(trials: Trials, sizes: Sequence[int]) -> list[float]:
    print("\ncoverage of the 95 % intervals for the ratio of two quantiles\n")
    print("| baseline | candidate | probes | p50 | p95 |")
    print("|---|---|--:|--:|--:|")
    shares = []
    for probes in sizes:
        for pair in ((0, 0), (1, 1), (2, 2), (0, 2)):
            held = trials.outcomes(partial(cover, pair, probes))
            cells = []
            for measure in (Measure.TTFT_P50, Measure.TTFT_P95):
                known = [one[measure] for one in held if measure in one]
                shares += [float(np.mean(known))] if known else []
                cells.append(f"{np.mean(known):.1%}" if known else "no interval")
            names = " | ".join(SHAPES[index].name for index in pair)
            print(f"| {names} | {probes} | {' | '.join(cells)} |", flush=True)
    return shares


def print_false_verdicts(trials: Trials) -> list[float]:
    print("\nequal providers: reports with any measure better or worse (10 measures)\n")
    print("| provider | probes | wrong reports |")
    print("|---|--:|--:|")
    shares = []
    for name, with_episodes in (("steady", False), ("slow for minutes now and then", True)):
        for probes in (200, 400):
            share = trials.share(partial(false_verdict, with_episodes, probes))
            shares += [] if with_episodes else [share]
            print(f"| {name} | {probes} | {share:.1%} |", flush=True)
    return shares


DIFFERENCES = (0.0, 0.05, 0.10, 0.15, 0.20, 0.30)


def print_power(trials: Trials) -> dict[str, list[tuple[float, float]]]:
    """The curves that it prints: difference and power."""
    print("\nhow often a candidate with a slower median first token is called worse\n")
    print("| shape | probes | " + " | ".join(f"{d:+.0%}" for d in DIFFERENCES) + " |")
    print("|---|--:|" + "--:|" * len(DIFFERENCES))
    curves = {}
    for index, probes in ((0, 200), (1, 200), (2, 200), (0, 800)):
        shares = [
            trials.share(partial(called_worse, index, 1 + difference, probes))
            for difference in DIFFERENCES
        ]
        name = SHAPES[index].name
        curves[f"{name}, {probes} probes"] = list(zip(DIFFERENCES, shares, strict=True))
        cells = " | ".join(f"{share:.0%}" for share in shares)
        print(f"| {name} | {probes} | {cells} |", flush=True)
    return curves


def print_sequential(trials: Trials, planned: int) -> list[float]:
    print(f"\nuntil decided: 5 looks at up to {planned} probes\n")
    print("| first token | better or worse at some look | without spending | probes used |")
    print("|---|--:|--:|--:|")
    wrong = []
    for slower in (1.0, 1.3, 2.0):
        stories = trials.outcomes(partial(look_repeatedly, slower, planned))
        honest, naive = (
            float(np.mean([getattr(story, name) for story in stories]))
            for name in ("honest", "naive")
        )
        used = float(np.mean([story.probes for story in stories]))
        wrong += [honest] if slower == 1.0 else []
        cell = f"{naive:.1%}" if slower == 1.0 else ""
        print(f"| {slower - 1:+.0%} | {honest:.1%} | {cell} | {used:.0f} |", flush=True)
    return wrong


def chance(trials: int) -> float:
    """How far a share of 5 % may be off after so many trials."""
    return 3 * math.sqrt(0.05 * 0.95 / trials)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute, for CI")
    parser.add_argument("--plot", type=Path, help="where to draw the power, as SVG")
    options = parser.parse_args()
    started = time.monotonic()
    coverage_slack = wrong_slack = 0.0
    with ProcessPoolExecutor() as pool:
        if options.quick:
            coverage = print_coverage(Trials(pool, 200), [200])
            wrong = print_false_verdicts(Trials(pool, 60))
            coverage_slack, wrong_slack = chance(200), chance(60)
        else:
            coverage = print_coverage(Trials(pool, 1000), [40, 160, 200])
            wrong = print_false_verdicts(Trials(pool, 500))
            curves = print_power(Trials(pool, 150))
            if options.plot:
                options.plot.write_text(json.dumps(curves))
            wrong += print_sequential(Trials(pool, 200), 300)
    print(f"\n{os.cpu_count()} cores, {time.monotonic() - started:.0f} s")
    low, high = 0.93 - coverage_slack, 0.97 + coverage_slack
    if min(coverage) < low or max(coverage) > high or max(wrong) > 0.05 + wrong_slack:
        sys.exit("a figure is outside its bounds: coverage 93 % to 97 %, wrong reports 5 %")


if __name__ == "__main__":
    main()
