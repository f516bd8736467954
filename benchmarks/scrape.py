"""The cost of a scrape, compared with prometheus_client on the same series, and what it delays.

Every target gets one probe between two scrapes, as in production. ``--quick`` is a short form for
CI.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from operator import sub
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from benchmarks.samples import plans, probe_all
from benchmarks.serving import SCRAPE_EVERY_SECONDS, scrape_from_outside, serving
from exporter.config.plan import PlanChange
from exporter.metrics.exposition import OPENMETRICS, PROTOBUF, TEXT, Format
from exporter.metrics.registry import Metrics
from exporter.process import loop
from exporter.process.heap import collect_rarely, freeze
from exporter.process.run_queue import RunQueue

BEAT_SECONDS = 0.001
CODINGS = ("identity", "gzip")


class Peer(Collector):
    """The same series in the official client library."""

    def __init__(self, text: bytes) -> None:
        self._families = list(text_string_to_metric_families(text.decode()))

    def collect(self) -> Iterable[Metric]:
        return self._families


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def scrape_seconds(metrics: Metrics, format_: Format, targets: int, rounds: int) -> float:
    """Return the median duration of scrapes, each after another probe of every target."""
    times = []
    for _ in range(rounds + 1):
        times.append(seconds_of(lambda: format_.body(metrics.everything())))
        probe_all(metrics, targets)
    return statistics.median(times[1:])  # the first one in a format renders everything


def print_rendering(metrics: Metrics, targets: int, rounds: int) -> None:
    text = TEXT.body(metrics.everything())
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Peer(text))
    peer = statistics.median(seconds_of(lambda: generate_latest(registry)) for _ in range(rounds))
    series = sum(not line.startswith(b"#") for line in text.splitlines())
    print(f"\n{targets:,} targets, {series:,} series: time to make a response\n")
    print("| format | median, ms | MB | prometheus_client / this |\n|---|--:|--:|--:|")
    for format_ in (TEXT, OPENMETRICS, PROTOBUF):
        seconds = scrape_seconds(metrics, format_, targets, rounds)
        size = len(format_.body(metrics.everything())) / 1e6
        print(f"| {format_.media_type} | {seconds * 1e3:.1f} | {size:.1f} | {peer / seconds:.0f} |")
    size = len(generate_latest(registry)) / 1e6
    print(f"| prometheus_client's text | {peer * 1e3:.1f} | {size:.1f} | 1 |")
    each = seconds_of(lambda: probe_all(metrics, targets)) / targets
    print(f"\nCounting a result and rendering it in all three formats: {each * 1e6:.0f} us.")


class Waits:
    """How long each thread of this process has waited for a core, in nanoseconds."""

    def __init__(self) -> None:
        tasks = Path("/proc/self/task").iterdir()
        self._queues = [RunQueue(task / "schedstat") for task in tasks]

    def so_far(self) -> list[int]:
        accounts = (queue.account() for queue in self._queues)
        return [account.waited_ns if account else 0 for account in accounts]


@dataclass(frozen=True, slots=True)
class Beat:
    """One wake-up of the loop."""

    late: float
    """Seconds."""
    held: float
    """The same without the longest wait of a thread for a core, which other processes cause."""


@asynccontextmanager
async def lateness() -> AsyncIterator[list[Beat]]:
    """Record how late this loop wakes up during the block."""
    beats: list[Beat] = []
    waits = Waits()

    async def beat() -> None:
        while True:
            before, started = waits.so_far(), time.perf_counter()
            await asyncio.sleep(BEAT_SECONDS)
            late = time.perf_counter() - started - BEAT_SECONDS
            waited = max(map(sub, waits.so_far(), before))
            beats.append(Beat(late, max(0.0, late - waited / 1e9)))

    beating = asyncio.create_task(beat())
    try:
        yield beats
    finally:
        beating.cancel()


async def print_holdups(metrics: Metrics, targets: int, scrapes: int, every_seconds: float) -> None:
    """Print the delays of the loop that reads streams, while another thread serves scrapes. Garbage
    is collected as often as in an exporter with so many targets."""
    print(f"\nThe probing loop's lateness, ms, during {scrapes} scrapes\n")
    print("| scraped | p50 | p99 | max | max without waits | scrape, ms | MB |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    with serving(metrics) as url:
        for coding in CODINGS:
            await scrape_from_outside(url, coding, 1)  # the server has started
        freeze()
        collect_rarely(targets)
        async with lateness() as beats:
            await asyncio.sleep(scrapes * every_seconds)
        print(f"| not at all | {milliseconds(beats)} | | |")
        for coding in CODINGS:
            async with lateness() as beats:
                answers = await scrape_from_outside(url, coding, scrapes, every_seconds)
            median = statistics.median(seconds for seconds, _ in answers)
            size = answers[-1][1] / 1e6
            print(f"| {coding} | {milliseconds(beats)} | {median * 1e3:.0f} | {size:.1f} |")


def milliseconds(beats: list[Beat]) -> str:
    """Format p50, p99 and maximum, and the maximum without waits for a core, as table cells."""
    late = sorted(beat.late for beat in beats)
    chosen = (late[len(late) // 2], late[len(late) * 99 // 100], late[-1])
    held = max(beat.held for beat in beats)
    return " | ".join(f"{seconds * 1e3:.2f}" for seconds in (*chosen, held))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scrape", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than 20 s, for CI")
    parser.add_argument("--targets", type=int, nargs="+", help="in place of 1000")
    parser.add_argument("--scrapes", type=int, help="in each coding, in place of 15")
    parser.add_argument(
        "--every", type=float, default=SCRAPE_EVERY_SECONDS, help="seconds; default: %(default)s"
    )
    options = parser.parse_args()
    targets, rounds, scrapes = ([200], 3, 3) if options.quick else ([1_000], 7, 15)
    for count in options.targets or targets:
        metrics = Metrics()
        metrics.apply(PlanChange.between((), plans(count)))
        probe_all(metrics, count)
        print_rendering(metrics, count, rounds)
        loop.run(print_holdups(metrics, count, options.scrapes or scrapes, options.every))
    print(f"\n{os.cpu_count()} cores, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
