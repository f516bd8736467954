"""The quality of the alerts in hundreds of simulated months with realistic noise.

The benchmark evaluates the rules of deploy/prometheus in numpy.
tests/integration/test_alert_judge.py checks that against a real Prometheus. Worlds without
incidents show false alarms, and worlds with incidents show detection times. ``--quick`` is a short
form for CI, and ``--docs`` updates the tables and the plot in docs/.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from multiprocessing import Pool
from pathlib import Path

from benchmarks.alert_quality.chance import habits
from benchmarks.alert_quality.fleet import World
from benchmarks.alert_quality.judge import Verdict, judge
from benchmarks.alert_quality.noise import PRESETS, SPIKY, TYPICAL
from benchmarks.alert_quality.plot import plot
from benchmarks.alert_quality.report import report

DOCS = Path(__file__).parents[1] / "docs"
TUNED_ON = (1, 2, 3, 5, 6, 11, 21, 22, 77, 78, 83)
"""The seeds that were used to tune the rules."""


def worlds() -> Iterator[World]:
    """Yield the worlds without incidents. ``main`` adds incidents if there are no prober faults."""
    yield from (World(noise) for noise in PRESETS)
    yield from (World(noise.in_runs()) for noise in PRESETS)
    yield from (World(noise.wandering()) for noise in PRESETS)
    yield from (World(TYPICAL, 5), World(TYPICAL, 15), World(SPIKY, 5))
    yield from (World(noise, probers_faults=True) for noise in PRESETS)


def main() -> None:
    """Run the benchmark and print the tables."""
    options = _options()
    quiet = list(worlds())[:1] if options.quick else list(worlds())
    ill = [replace(world, incidents=True) for world in quiet if not world.probers_faults]
    verdicts: list[Verdict] = []
    began = time.monotonic()
    with Pool(2) as pool:
        jobs = partial(judge, targets=options.targets, days=30, seed=options.seed)
        for verdict in pool.imap(jobs, (*quiet, *ill)):
            verdicts.append(verdict)
            print(f"  {time.monotonic() - began:5.0f} s  {verdict.world.name}", flush=True)
    tables = report(verdicts, list(habits(options.targets, options.seed)))
    print(tables)
    if options.docs:
        _put_into(DOCS / "alert-quality.md", tables)
        plot(verdicts, DOCS / "alert-quality.svg")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alerts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one world: half a minute, for CI")
    parser.add_argument("--targets", type=int, default=100, help="a month of each, in each world")
    seed = f"any but those that the rules were tuned on: {TUNED_ON}"
    parser.add_argument("--seed", type=int, default=84, help=seed)
    parser.add_argument("--docs", action="store_true", help="renew docs/alert-quality.*")
    options = parser.parse_args()
    if options.quick:
        options.targets = 20
    return options


def _put_into(page: Path, tables: str) -> None:
    """Replace the text between the marks of a page."""
    begin, end = "<!-- measured: begin -->\n", "<!-- measured: end -->"
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{tables}\n{end}{after}")


if __name__ == "__main__":
    main()
