"""Whether the verdicts of ``compare`` deserve their name, tried on providers made up for it.

Times are drawn from distributions whose quantiles are known: log-normal, bimodal (a third of the
requests meets a busy replica) and heavy-tailed (Pareto, of infinite variance). Shown are the
coverage of the 95 % intervals, how often equal providers get a verdict of better or worse, how
often a real difference is found, and what looking repeatedly does. ``--quick`` is a short form
for CI, which fails if a figure is far from where it should be.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
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
from exporter.compare.statistics.measures import Measure
from exporter.compare.statistics.sequential import LOOKS

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
    print("\ncoverage of the 95 % intervals for a ratio\n")
    print("| baseline | candidate | probes | typical | p50 | p95 |")
    print("|---|---|--:|--:|--:|--:|")
    shares = []
    for probes in sizes:
        for pair in ((0, 0), (1, 1), (2, 2), (0, 2)):
            held = trials.outcomes(partial(cover, pair, probes))
            cells = []
            for measure in (Measure.TTFT_TYPICAL, Measure.TTFT_P50, Measure.TTFT_P95):
                known = [one[measure] for one in held if measure in one]
                shares += [float(np.mean(known))] if known else []
                cells.append(f"{np.mean(known):.1%}" if known else "no interval")
            names = " | ".join(SHAPES[index].name for index in pair)
            print(f"| {names} | {probes} | {' | '.join(cells)} |", flush=True)
    return shares


def print_false_verdicts(trials: Trials, sizes: Sequence[int] = (200, 400)) -> list[float]:
    print("\nequal providers: reports with any measure better or worse (13 measures)\n")
    print("| provider | shape | probes | wrong reports | by one Holm correction | typical alone |")
    print("|---|---|--:|--:|--:|--:|")
    shares = []
    for name, with_episodes in (("steady", False), ("slow for minutes now and then", True)):
        for shape, of in enumerate(SHAPES):
            for probes in sizes:
                trial = partial(false_verdict, shape, with_episodes, probes)
                found = np.mean(trials.outcomes(trial), axis=0)
                shares.append(float(found[0]))
                cells = " | ".join(f"{share:.1%}" for share in found)
                print(f"| {name} | {of.name} | {probes} | {cells} |", flush=True)
    return shares


DIFFERENCES = (0.05, 0.10, 0.20, 0.30)
JUDGED = ("with all measures", "p50, by one Holm correction", "alone")


def print_power(trials: Trials) -> None:
    print("\nhow often a candidate with a slower first token is called worse\n")
    print("| judged | shape | probes | " + " | ".join(f"{d:+.0%}" for d in DIFFERENCES) + " |")
    print("|---|---|--:|" + "--:|" * len(DIFFERENCES))
    for shape, probes in ((0, 200), (1, 200), (2, 200), (0, 400)):
        by_trial = [
            trials.outcomes(partial(called_worse, shape, 1 + difference, probes))
            for difference in DIFFERENCES
        ]
        for judged, name in enumerate(JUDGED):
            shares = (np.mean([story[judged] for story in stories]) for stories in by_trial)
            cells = " | ".join(f"{share:.0%}" for share in shares)
            print(f"| {name} | {SHAPES[shape].name} | {probes} | {cells} |", flush=True)


def print_sequential(trials: Trials, planned: int) -> list[float]:
    print(f"\nuntil decided: {LOOKS} looks at up to {planned} probes\n")
    print(
        "| first token | better or worse at some look | without spending | median probes | before |"
    )
    print("|---|--:|--:|--:|--:|")
    wrong = []
    for slower in (1.0, 1.1, 1.3, 2.0):
        stories = trials.outcomes(partial(look_repeatedly, slower, planned))
        honest, naive = (
            float(np.mean([getattr(story, name) for story in stories]))
            for name in ("honest", "naive")
        )
        used, before = (
            float(np.median([getattr(story, name) for story in stories]))
            for name in ("probes", "before")
        )
        wrong += [honest] if slower == 1.0 else []
        cell = f"{naive:.1%}" if slower == 1.0 else ""
        print(
            f"| {slower - 1:+.0%} | {honest:.1%} | {cell} | {used:.0f} | {before:.0f} |", flush=True
        )
    return wrong


def measure(parts: Sequence[str], pool: ProcessPoolExecutor, scale: float) -> Iterator[str]:
    """Print what the parts have to show; say what is outside its bounds."""
    coverage, equal, looks, power = (
        Trials(pool, round(scale * trials)) for trials in (400, 400, 100, 400)
    )
    if "power" in parts:
        print_power(power)
    if "equal" in parts:
        most = 0.05 + chance(equal.count)
        yield from outside(print_false_verdicts(equal), 0.0, most)
    if "looks" in parts:
        yield from outside(print_sequential(looks, 300), 0.0, 0.05 + chance(looks.count))
    if "coverage" in parts:
        yield from outside(print_coverage(coverage, [40, 200, 400]), 0.93, 0.97)


def measure_quickly(pool: ProcessPoolExecutor) -> Iterator[str]:
    """Few trials, so the bounds are wider by what chance may do."""
    coverage = print_coverage(Trials(pool, 100), [200])
    yield from outside(coverage, 0.93 - chance(100), 0.97 + chance(100))
    yield from outside(print_false_verdicts(Trials(pool, 40), (200,)), 0.0, 0.05 + chance(40))


def chance(trials: int) -> float:
    """How far a share of 5 % may be off after so many trials."""
    return 3 * math.sqrt(0.05 * 0.95 / trials)


def outside(shares: Sequence[float], low: float, high: float) -> Iterator[str]:
    return (
        f"{share:.1%} is not between {low:.1%} and {high:.1%}"
        for share in shares
        if not low <= share <= high
    )


PARTS = ("coverage", "equal", "looks", "power")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute, for CI")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this; repeatable")
    parser.add_argument("--scale", type=float, default=1.0, help="so many times the trials")
    options = parser.parse_args()
    started = time.monotonic()
    with ProcessPoolExecutor() as pool:
        parts = options.part or PARTS
        wrong = list(
            measure_quickly(pool) if options.quick else measure(parts, pool, options.scale)
        )
    print(f"\n{os.cpu_count()} cores, {time.monotonic() - started:.0f} s")
    if wrong:
        sys.exit("; ".join(wrong))


if __name__ == "__main__":
    main()
