"""The response times of the status pages after an hour of probes of every target.

Requests go over loopback, like a browser's. ``--quick`` is a short form for CI.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterable
from dataclasses import replace

import httpx

from benchmarks.samples import RESULT, plans
from benchmarks.serving import serving
from exporter.config.plan import Plan, PlanChange
from exporter.metrics.registry import Metrics
from exporter.observation import observed
from exporter.result import Failure, FailureReason
from exporter.site.status import Status

LIMIT_SECONDS = 0.3
PROBES = 60
"""The number of probes of each target: an hour with one per minute."""
ONE_FAILS_OF = 9


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds, for CI")
    quick = parser.parse_args().quick
    counts, rounds = ((1_000,), 3) if quick else ((10, 100, 1_000), 15)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {rounds} times each\n")
    print(f"| targets | page | median, ms | most, ms | kB | {LIMIT_SECONDS:g} s / median |")
    print("|--:|---|--:|--:|--:|--:|")
    for count in counts:
        asked = plans(count)
        with serving(Metrics(), status_of(asked)) as url, httpx.Client(base_url=url) as client:
            for path in ("/", "/problems", f"/targets/{asked[0].target.name}", "/api/v1/targets"):
                print(f"| {count:,} | `{path}` | {_row(client, path, rounds)} |", flush=True)


def status_of(asked: Iterable[Plan]) -> Status:
    """Return a status after an hour in which every target failed now and then."""
    status, now = Status(), time.time()
    status.apply(PlanChange.between((), asked))
    for number, plan in enumerate(asked):
        for minute in range(PROBES):
            finished_at = now - 60 * (PROBES - minute)
            result = replace(RESULT, finished_at=finished_at)
            if (number + minute) % ONE_FAILS_OF == 0:
                failure = Failure(FailureReason.SERVER_ERROR, "HTTP 500: try again", 500)
                result = replace(result, failure=failure, usage=None)
            status.observe(observed(plan, result))
    return status


def _row(client: httpx.Client, path: str, rounds: int) -> str:
    """Return a row: median and maximum in milliseconds, size, and limit divided by median."""
    times, size = [], 0
    for _ in range(rounds):
        began = time.perf_counter()
        answer = client.get(path).raise_for_status()
        times.append(time.perf_counter() - began)
        size = len(answer.content)
    median = statistics.median(times)
    spare = LIMIT_SECONDS / median
    return f"{median * 1e3:.1f} | {max(times) * 1e3:.1f} | {size / 1e3:.0f} | {spare:.1f}"


if __name__ == "__main__":
    main()
