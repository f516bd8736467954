"""The CPU time, delay and memory for several numbers of targets.

The real exporter probes the truth server on its schedule, on its own core if there are two. It
probes every target every 15 s, with 64 tokens. With 5,000 targets, it probes each every 75 s, so
the rate is the same as with 1,000. ``--quick`` is a short form for CI. Needs Go.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.running import (
    LISTEN,
    SCRAPE_EVERY_SECONDS,
    Window,
    beside_the_measured,
    exporting,
    favour,
    watch,
)
from benchmarks.truth.served import truth_server
from exporter.config.connection import Connection

INTERVAL_SECONDS = 15
MAX_TARGETS_AT_INTERVAL = 1_000
"""With more targets, each is probed less often, because one core has a limit."""
TOKENS = 64
MODEL = f"truth-300-20-{TOKENS}"
TARGETS = (10, 100, 1_000, 5_000)
SCRAPES = 4


@dataclass(frozen=True, slots=True)
class Load:
    """The results for one number of targets."""

    targets: int
    interval_seconds: int
    window: Window

    @property
    def probes_per_second(self) -> float:
        return self.targets / self.interval_seconds

    @property
    def cpu_ms_per_probe(self) -> float:
        """CPU time per actual probe. On a busy machine, there are fewer probes than were due."""
        probes = self.window.more("inference_probes_total")
        return self.window.cpu_share * self.window.seconds * 1000 / probes

    def row(self) -> str:
        window = self.window
        counts = (
            window.more("inference_probes_total"),
            window.more("inference_probes_total", outcome="failure"),
            window.more("inference_probes_uncertain_total"),
        )
        milliseconds = (
            window.p99("inference_exporter_schedule_delay_seconds") * 1e3,
            window.p99("inference_exporter_measurement_lag_seconds") * 1e3,
            window.scrape_seconds * 1e3,
        )
        return (
            f"| {self.targets:,} | {self.interval_seconds} "
            f"| {' | '.join(f'{count:.0f}' for count in counts)} "
            f"| {window.cpu_share:.1%} | {self.cpu_ms_per_probe:.1f} "
            f"| {' | '.join(f'{figure:.3g}' for figure in milliseconds)} "
            f"| {window.memory_kb / 1e3:.0f} |"
        )


def configuration(
    url: str,
    targets: int,
    interval_seconds: int,
    model: str = MODEL,
    connection: Connection = "reuse",
) -> str:
    lines = [
        f"web: {{listen: '{LISTEN}'}}",
        f"defaults: {{interval: {interval_seconds}s, connection: {connection}}}",
        f"probes: {{count: {{prompt: Count., max_output_tokens: {TOKENS}}}}}",
        "targets:",
    ]
    target = f"provider: openai, model: {model}, base_url: '{url}/v1'"
    return "\n".join([*lines, *(f"  - {{name: t{number}, {target}}}" for number in range(targets))])


def measure(
    url: str, targets: int, scrapes: int, python: str, interval_seconds: int | None = None
) -> Load:
    """Measure one number of targets.

    :param interval_seconds: by default, an interval that one core can sustain.
    """
    interval = interval_seconds or INTERVAL_SECONDS * max(1, targets // MAX_TARGETS_AT_INTERVAL)
    with exporting(configuration(url, targets, interval), python) as process:
        favour(process.pid)
        time.sleep(interval)  # opens every connection and renders every series once
        window = watch(process, max(scrapes, interval // SCRAPE_EVERY_SECONDS))
    return Load(targets, interval, window)


def print_loads(loads: Sequence[Load]) -> None:
    print(f"\n{TOKENS} tokens, one core, scraped every {SCRAPE_EVERY_SECONDS} s\n")
    print("| targets | every, s | probes | failed | uncertain | CPU | ms/probe "
          "| delay p99 <=, ms | lag p99 <=, ms | scrape, ms | memory, MB |")  # fmt: skip
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for load in loads:
        print(load.row())


def print_growth(loads: Sequence[Load]) -> None:
    """Print the cost of each additional target; it is constant if the exporter scales linearly."""
    print("\n| from | to | memory per target, kB | CPU per probe, ms | scrape per target, us |")
    print("|--:|--:|--:|--:|--:|")
    for few, many in itertools.pairwise(loads):
        targets, more, less = many.targets - few.targets, many.window, few.window
        rate = many.probes_per_second - few.probes_per_second
        cpu = f"{(more.cpu_share - less.cpu_share) * 1000 / rate:.1f}" if rate else "as many probes"
        print(
            f"| {few.targets:,} | {many.targets:,} "
            f"| {(more.memory_kb - less.memory_kb) / targets:.0f} | {cpu} "
            f"| {(more.scrape_seconds - less.scrape_seconds) * 1e6 / targets:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than a minute, for CI")
    parser.add_argument("--targets", type=int, nargs="+", help="in place of 10, 100, 1000, 5000")
    parser.add_argument("--every", type=int, metavar="SECONDS", help="for all numbers of targets")
    parser.add_argument("--python", default=sys.executable, help="the one that runs the exporter")
    options = parser.parse_args()
    sizes = options.targets or ((50,) if options.quick else TARGETS)
    with beside_the_measured(), truth_server() as url:
        scrapes = 1 if options.quick else SCRAPES
        loads = [measure(url, targets, scrapes, options.python, options.every) for targets in sizes]
    print_loads(loads)
    if len(loads) > 1:
        print_growth(loads)
    print(f"\n{os.cpu_count()} cores, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
