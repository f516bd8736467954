"""The CPU time for reading a streamed answer of 64 events, compared with its lower limit.

One client after the other reads the same streams of the same server, as many at once as 1,000
targets probed every 15 s. The result is the user and system CPU time of all processes of a client,
divided by the number of answers. Two clients in C show the lower limit: one takes the kernel's
timestamps and parses nothing, and the other parses as much as a probe must. ``--quick`` is a short
form for CI. Needs Go. Clients that aren't installed are reported and skipped.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.cpu.clients import Client, Running, Scene, clients
from benchmarks.cpu.core_speed import CoreSpeed, Slice, SpeedLog, speed_log
from benchmarks.load import MODEL
from benchmarks.running import SCRAPE_EVERY_SECONDS, beside_the_measured, favour, scrape
from benchmarks.truth.served import Truth, truth_server

TARGETS, INTERVAL_SECONDS = 1_000, 15
QUICK_MODEL, QUICK_TARGETS, QUICK_INTERVAL_SECONDS = "truth-100-5-64", 200, 3
WINDOWS, WINDOW_SECONDS, QUICK_WINDOW_SECONDS = 3, 5.0, 2.0
_START_SECONDS = 240
"""guidellm imports itself in up to ten processes."""
_LOOK_SECONDS, _SLICE_SECONDS = 0.1, 0.25
_ENOUGH, _PATIENCE = 20, 10
_KEPT_UP = 0.9


@dataclass(frozen=True, slots=True)
class Cost:
    """The CPU time of one client in each measurement."""

    client: Client
    probes_per_second: float
    milliseconds: Sequence[float]
    """CPU milliseconds per probe."""
    speed: CoreSpeed
    """The speed of the core meanwhile."""

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)

    @property
    def _of_the_core(self) -> tuple[str, str]:
        """The share of the time in which the core was slow, and the CPU milliseconds per probe at
        full speed. Either is empty if it isn't known."""
        slow, share = self.speed.slow_share, self.speed.at_full_speed
        full = share and f"{share * statistics.mean(self.milliseconds):.2f}"
        return "" if slow is None else f"{slow:.0%}", full or ""

    def row(self, limits: Iterable[Cost]) -> str:
        lowest, highest = min(self.milliseconds), max(self.milliseconds)
        alike = (it for it in limits if it.client.connection == self.client.connection)
        ratios = "".join(f" | {self.median / limit.median:.1f}" for limit in alike)
        slow_share, at_full_speed = self._of_the_core
        return (
            f"| {self.client.name} | {self.client.connection} | {self.probes_per_second:.0f} "
            f"| {self.median:.2f} | {lowest:.2f} to {highest:.2f} "
            f"| {slow_share} | {at_full_speed}{ratios} |"
        )


class ClientFailed(Exception):
    """The client doesn't read any of these streams."""


def wait_until_asked(truth: Truth) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while not truth.was_asked:
        if time.monotonic() > give_up_at:
            raise ClientFailed
        time.sleep(_LOOK_SECONDS)


@dataclass(frozen=True, slots=True)
class Watched:
    """What happened in one measurement."""

    answers: int
    slices: Sequence[Slice]

    @property
    def milliseconds(self) -> float:
        """CPU milliseconds per answer."""
        return sum(one.cpu_seconds for one in self.slices) * 1000 / self.answers


def slices_until(over_at: float, running: Running) -> Iterable[Slice]:
    """Yield the CPU time of one fraction of a second after the other, until this monotonic time."""
    while (began := time.monotonic()) < over_at:
        before = running.cpu_seconds()
        time.sleep(min(_SLICE_SECONDS, over_at - began))
        yield Slice(began, time.monotonic(), running.cpu_seconds() - before)


def watch(truth: Truth, running: Running, seconds: float, scraped: bool) -> Watched:
    """Measure a client.

    On a busy machine, it measures longer until there are enough answers.

    :raises ClientFailed: there were hardly any answers.
    """
    truth.sends()
    answers, slices = 0, list[Slice]()
    began = time.monotonic()
    while answers < _ENOUGH:
        if time.monotonic() > began + _PATIENCE * seconds:
            raise ClientFailed
        over_at = time.monotonic() + seconds
        with ThreadPoolExecutor(1) as beside:
            scraping = beside.submit(scrape) if scraped else None
            slices += slices_until(over_at, running)
            if scraping:
                scraping.result()
        answers += len(truth.sends())
    return Watched(answers, slices)


def measure(scene: Scene, client: Client, log: SpeedLog, quick: bool) -> Cost:
    """Measure a client after all its streams have started.

    :raises ClientFailed: the client doesn't read any of these streams.
    """
    truth = Truth(scene.url)
    truth.sends()
    windows, seconds = (1, QUICK_WINDOW_SECONDS) if quick else (WINDOWS, WINDOW_SECONDS)
    scraped = client.is_exporter and not quick
    if scraped:
        seconds = SCRAPE_EVERY_SECONDS
    with client.run(scene) as running:
        favour(running.pid)
        wait_until_asked(truth)
        time.sleep(scene.interval_seconds if client.is_exporter else scene.script_seconds)
        began = time.monotonic()
        found = [watch(truth, running, seconds, scraped) for _ in range(windows)]
        elapsed_seconds = time.monotonic() - began
    rate = sum(one.answers for one in found) / elapsed_seconds
    speed = log.during([one for window in found for one in window.slices])
    return Cost(client, rate, [one.milliseconds for one in found], speed)


def measure_all(scene: Scene, wanted: Iterable[Client], log: SpeedLog, quick: bool) -> list[Cost]:
    """Measure all available clients; report the missing ones."""
    costs = []
    for client in wanted:
        who = f"{client.name}, {client.connection} connections"
        if client.missing:
            print(f"left out: {who}: {client.missing}", file=sys.stderr)
            continue
        print(who, file=sys.stderr)
        try:
            costs.append(measure(scene, client, log, quick))
        except ClientFailed:
            print(f"left out: {who}: it read none of these streams", file=sys.stderr)
    return costs


def print_costs(scene: Scene, costs: Sequence[Cost]) -> None:
    limits = [it for it in costs if it.client.is_limit]
    print(f"\n{scene.model}, {scene.streams} streams at once: processor time of one probe\n")
    heads = [f" | / {name}" for name in dict.fromkeys(it.client.name for it in limits)]
    columns = "probes/s | ms | lowest to highest | slow core | ms at full speed"
    print(f"| client | connection | {columns}{''.join(heads)} |")
    print(f"|---|---{'|--:' * (5 + len(heads))}|")
    for cost in costs:
        print(cost.row(limits))
    due = scene.targets / scene.interval_seconds
    if slow := [it for it in costs if it.probes_per_second < _KEPT_UP * due]:
        names = "; ".join(f"{it.client.name}, {it.client.connection}" for it in slow)
        print(f"\nDid not keep up with {due:.0f} answers a second: {names}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks cpu", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 s, for CI")
    quick = parser.parse_args().quick
    wanted = [it for it in clients() if it.is_quick or not quick]
    began = time.monotonic()
    with beside_the_measured(), truth_server() as url:
        if quick:
            scene = Scene(url, QUICK_MODEL, QUICK_TARGETS, QUICK_INTERVAL_SECONDS)
        else:
            scene = Scene(url, MODEL, TARGETS, INTERVAL_SECONDS)
        with speed_log() as log:
            costs = measure_all(scene, wanted, log, quick)
    print_costs(scene, costs)
    load = " ".join(f"{average:.1f}" for average in os.getloadavg())
    print(f"\n{os.cpu_count()} cores, Python {platform.python_version()}, load {load}, "
          f"{time.monotonic() - began:.0f} s")  # fmt: skip


if __name__ == "__main__":
    main()
