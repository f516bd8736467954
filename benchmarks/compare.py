"""Checks the verdicts of ``compare`` on simulated providers.

Times come from distributions with known quantiles: log-normal, bimodal (a third of the requests
meets a busy replica) and heavy-tailed (Pareto with infinite variance). The benchmark measures the
coverage of the 95 % intervals, how often equal providers get the verdict better or worse, how often
a real difference is found, and the effect of repeated looks. ``--quick`` is a short form for CI,
which fails if a result is far from its expected value. ``--docs`` updates the tables in
docs/compare.md.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from functools import partial
from typing import TextIO, TypeVar

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # there is a process for each core

import numpy as np

from benchmarks.compare_looks import PLANNED, before, until_decided, without_spending
from benchmarks.compare_trials import SHAPES, called_worse, cover, false_verdict
from benchmarks.documents import renew_part
from exporter.compare.statistics.measures import Measure
from exporter.compare.statistics.sequential import LOOKS

Outcome = TypeVar("Outcome")


class Trials:
    """Runs a trial with many seeds on all cores.

    :param scale: a factor for the number of trials.
    """

    def __init__(self, pool: ProcessPoolExecutor, scale: float = 1.0) -> None:
        self._pool = pool
        self._scale = scale

    def count(self, wanted: int) -> int:
        return max(1, round(self._scale * wanted))

    def outcomes(self, trial: Callable[[int], Outcome], wanted: int) -> list[Outcome]:
        return list(self._pool.map(trial, range(self.count(wanted)), chunksize=4))


def print_coverage(trials: Trials, counts: Mapping[int, int]) -> Iterator[str]:
    """:param counts: of the trials, by the probes of each side."""
    print("\ncoverage of the 95 % intervals for a ratio\n")
    print("| baseline | candidate | probes | trials | typical | p50 | p95 |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for probes, wanted in counts.items():
        count = trials.count(wanted)
        for pair in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2)):
            held = trials.outcomes(partial(cover, pair, probes), wanted)
            cells = []
            for measure in (Measure.TTFT_TYPICAL, Measure.TTFT_P50, Measure.TTFT_P95):
                known = [one[measure] for one in held if measure in one]
                share = float(np.mean(known)) if known else None
                cells.append(f"{share:.1%}" if share is not None else "no interval")
                if share is not None:
                    slack = chance(0.05, count)
                    yield from outside(share, 0.93 - slack, 0.97 + slack)
            names = " | ".join(SHAPES[index].name for index in pair)
            print(f"| {names} | {probes} | {count} | {' | '.join(cells)} |", flush=True)


def print_false_verdicts(trials: Trials, counts: Mapping[int, int]) -> Iterator[str]:
    """:param counts: of the trials, by the probes of each side."""
    print("\nequal providers: reports with any measure better or worse (13 measures)\n")
    print(
        "| provider | shape | probes | trials | wrong reports | by one Holm correction"
        " | typical alone |"
    )
    print("|---|---|--:|--:|--:|--:|--:|")
    for name, with_episodes in (("steady", False), ("slow for minutes now and then", True)):
        for shape, of in enumerate(SHAPES):
            for probes, wanted in counts.items():
                trial = partial(false_verdict, shape, with_episodes, probes)
                found = np.mean(trials.outcomes(trial, wanted), axis=0)
                cells = " | ".join(f"{share:.1%}" for share in found)
                count = trials.count(wanted)
                print(f"| {name} | {of.name} | {probes} | {count} | {cells} |", flush=True)
                yield from outside(float(found[0]), 0.0, 0.05 + chance(0.05, count))


POWER_PROBES = 200
POWER = {0.05: 100, 0.10: 600, 0.20: 100}
"""The number of trials for each true difference. The middle one has a goal."""
GOALS = (0.60, 0.95, 0.60)
"""The required power for a difference of 10 %, with all measures judged, by shape."""
JUDGED = ("with all measures", "p50, by one Holm correction", "alone")


def print_power(trials: Trials) -> Iterator[str]:
    print("\nhow often a candidate with a slower first token is called worse\n")
    print("| judged | shape | probes | " + " | ".join(f"{d:+.0%}" for d in POWER) + " |")
    print("|---|---|--:|" + "--:|" * len(POWER))
    for shape, of in enumerate(SHAPES):
        by_trial = {
            difference: trials.outcomes(
                partial(called_worse, shape, 1 + difference, POWER_PROBES), wanted
            )
            for difference, wanted in POWER.items()
        }
        for judged, name in enumerate(JUDGED):
            shares = {d: np.mean([one[judged] for one in by_trial[d]]) for d in POWER}
            cells = " | ".join(f"{share:.0%}" for share in shares.values())
            print(f"| {name} | {of.name} | {POWER_PROBES} | {cells} |", flush=True)
            if judged == 0:
                goal = GOALS[shape]
                slack = chance(goal, trials.count(POWER[0.10]))
                yield from outside(float(shares[0.10]), goal - slack, 1.0)
    print("\nTrials: " + ", ".join(f"{trials.count(n)} at {d:+.0%}" for d, n in POWER.items()))


LOOKED = {1.0: 600, 1.1: 100, 1.3: 200, 2.0: 50}
"""The number of trials for each slowdown factor of the candidate."""
LOOKED_BEFORE = {1.3: 40, 2.0: 40}
MOST_PROBES = 150
"""The maximum median number of probes until a difference of 30 % is decided."""


def print_sequential(trials: Trials) -> Iterator[str]:
    print(f"\nuntil decided: {LOOKS} looks at up to {PLANNED} probes\n")
    print("| first token | trials | called better or worse | median probes | before |")
    print("|---|--:|--:|--:|--:|")
    for slower, wanted in LOOKED.items():
        probes, differ = zip(*trials.outcomes(partial(until_decided, slower), wanted), strict=True)
        share, used, count = float(np.mean(differ)), float(np.median(probes)), len(differ)
        wanted_before = LOOKED_BEFORE.get(slower)
        once = trials.outcomes(partial(before, slower), wanted_before) if wanted_before else []
        cells = f"{share:.1%} | {used:.0f} | {_median(once)}"
        print(f"| {slower - 1:+.0%} | {count} | {cells} |", flush=True)
        if slower == 1.0:
            yield from outside(share, 0.0, 0.05 + chance(0.05, count))
        if slower == 1.3:
            yield from outside(used, 0.0, MOST_PROBES, "{:.0f} probes")
    naive = np.mean(trials.outcomes(without_spending, 100))
    print(f"\nWere each look to take the whole 5 %: {naive:.1%} of {trials.count(100)} trials.")


def _median(numbers: Sequence[int]) -> str:
    return f"{np.median(numbers):.0f}" if numbers else ""


PARTS: Mapping[str, Callable[[Trials], Iterator[str]]] = {
    "power": print_power,
    "equal": partial(print_false_verdicts, counts={200: 400, 400: 100}),
    "looks": print_sequential,
    "coverage": partial(print_coverage, counts={40: 600, 200: 400, 400: 150}),
}
"""The parts of the benchmark. Each prints its results, and yields those out of bounds."""


class Kept(io.StringIO):
    """Records what is printed, and prints it immediately."""

    def __init__(self, shown: TextIO) -> None:
        super().__init__()
        self._shown = shown

    def write(self, text: str) -> int:
        self._shown.write(text)
        self._shown.flush()
        return super().write(text)


def measure(parts: Collection[str], trials: Trials, *, renew: bool) -> Iterator[str]:
    """Run parts of the benchmark; yield the results out of bounds.

    :param renew: whether to update docs/compare.md with the printed tables.
    """
    for name in parts:
        started, text = time.monotonic(), Kept(sys.stdout)
        with redirect_stdout(text):
            yield from PARTS[name](trials)
            seconds, load = time.monotonic() - started, os.getloadavg()[2]
            print(f"\n{os.cpu_count()} cores with a load of {load:.0f}, {seconds:.0f} s")
        if renew:
            renew_part("compare.md", name, text.getvalue())


def measure_quickly(trials: Trials) -> Iterator[str]:
    """Run few trials, with bounds that are wider to allow for chance."""
    yield from print_coverage(trials, {200: 100})
    yield from print_false_verdicts(trials, {200: 40})


def chance(share: float, trials: int) -> float:
    """Return how far chance can move a share in this many trials."""
    return 3 * math.sqrt(share * (1 - share) / trials)


def outside(found: float, low: float, high: float, form: str = "{:.1%}") -> Iterator[str]:
    if not low <= found <= high:
        found_, low_, high_ = map(form.format, (found, low, high))
        yield f"{found_} is not between {low_} and {high_}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute, for CI")
    parser.add_argument("--part", choices=[*PARTS], action="append", help="only this; repeatable")
    parser.add_argument("--scale", type=float, default=1.0, help="so many times the trials")
    parser.add_argument("--docs", action="store_true", help="renew the tables of docs/compare.md")
    options = parser.parse_args()
    with ProcessPoolExecutor() as pool:
        trials = Trials(pool, options.scale)
        found = (
            measure_quickly(trials)
            if options.quick
            else measure(options.part or [*PARTS], trials, renew=options.docs)
        )
        wrong = list(found)
    if wrong:
        sys.exit("; ".join(wrong))


if __name__ == "__main__":
    main()
