"""Whether memory stays where it is: the real exporter for 100,000 probes.

Most targets answer over kept connections; some over a new one each time; some refuse, since what
leaks mostly leaks where something went wrong. ``--quick`` is a short form for CI. Needs Go.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator

from benchmarks.running import (
    LISTEN,
    Process,
    Samples,
    beside_the_measured,
    exporting,
    scrape,
)
from benchmarks.truth.served import truth_server

PROBES = 100_000
QUICK_PROBES = 3_000
ROWS = 20
MODEL = "truth-1-1-4"
REFUSES = "http://127.0.0.1:1"
ANSWERING, FRESH, REFUSING = 260, 20, 20
SETTLED = 0.2
"""After this share of the probes, everything that is kept has been made."""
_GIVE_UP_SECONDS = 1800


def configuration(url: str) -> str:
    lines = [
        f"web: {{listen: '{LISTEN}'}}",
        "defaults: {interval: 1s}",
        "probes: {count: {prompt: Count., max_output_tokens: 4}}",
        "targets:",
    ]
    for number in range(ANSWERING + FRESH + REFUSING):
        base = REFUSES if number < REFUSING else url
        connection = "fresh" if number < REFUSING + FRESH else "reuse"
        lines.append(
            f"  - {{name: t{number}, provider: openai, model: {MODEL}, "
            f"base_url: '{base}/v1', connection: {connection}}}"
        )
    return "\n".join(lines)


def grow(process: Process, probes: int) -> Iterator[tuple[float, int]]:
    """How many probes there were, and the memory in kB, in even steps until so many were made."""
    give_up_at = time.monotonic() + _GIVE_UP_SECONDS
    step, done = probes / ROWS, 0.0
    while done < probes:
        if time.monotonic() > give_up_at:
            sys.exit(f"only {done:.0f} probes were made within {_GIVE_UP_SECONDS} s")
        before, done = done, Samples(scrape()).sum("inference_probes_total")
        if done // step > before // step:
            yield done, process.memory_kb()
        time.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than 20 s, for CI")
    probes = QUICK_PROBES if parser.parse_args().quick else PROBES
    with (
        beside_the_measured(),
        truth_server() as url,
        exporting(configuration(url)) as process,
    ):
        seen = list(grow(process, probes))
        failed = Samples(scrape()).sum("inference_probes_total", outcome="failure")
    print("\n| probes | memory, MB |\n|--:|--:|")
    for count, memory in seen:
        print(f"| {count:,.0f} | {memory / 1e3:.1f} |")
    settled = [(count, memory) for count, memory in seen if count >= SETTLED * probes]
    slope = statistics.linear_regression(*zip(*settled, strict=True)).slope
    print(f"\n{failed:,.0f} of the probes failed, as they should.")
    print(f"From {settled[0][0]:,.0f} probes on memory grew by {slope * 1e3:.1f} kB"
          " for 1,000 probes")  # fmt: skip
    print(f"\n{os.cpu_count()} cores, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
