"""The accuracy of a probe, measured against what the server really did.

A truth server in Go, in its own process, records when it sends what. The exporter's probe and a
plain httpx loop measure it in turn, each in a fresh process, with few and with many streams. The
event loop is quiet, shares its process with a web server that serves 1,000 targets to a scraper
every second, or is blocked for 50 ms now and then. Both clients then run under disturbances:
stopped, paused, throttled and starved. ``--quick`` is a short form for CI. Needs Go.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import sys
import time
from collections.abc import Callable

from benchmarks.truth.clients import CLIENTS, CONDITIONS, Case
from benchmarks.truth.coverage import measure_disturbed, print_coverage
from benchmarks.truth.disturbances import DISTURBANCES
from benchmarks.truth.errors import ERRORS, Measured, Pair, quantiles_ms, share_covered
from benchmarks.truth.measuring import SCRIPTS, measure
from benchmarks.truth.served import Truth, truth_server

LATE_SECONDS = 0.005

QUICK_SCRIPTS = {16: SCRIPTS[16]}
QUICK_DISTURBANCES = ("stopped",)


def print_errors(measured: Measured, title: str, error: Callable[[Pair], float | None]) -> None:
    print(f"\n{title}: error, ms\n")
    print("| streams | loop | ours p50 | p99 | max | plain httpx p50 | p99 | max | p99 ratio |")
    print("|--:|---|--:|--:|--:|--:|--:|--:|--:|")
    for streams, condition in dict.fromkeys((s, c) for s, c, _ in measured):
        ours, plain = (
            quantiles_ms(
                [
                    found
                    for pair in measured[streams, condition, client]
                    if (found := error(pair)) is not None
                ]
            )
            for client in CLIENTS
        )
        figures = " | ".join(f"{figure:.3f}" for figure in (*ours, *plain))
        print(f"| {streams} | {condition} | {figures} | {plain[1] / ours[1]:.1f} |")


def print_uncertainty(measured: Measured) -> None:
    """Print the reported uncertainty of our probes."""
    print(f"\nour uncertainty; late means above {LATE_SECONDS * 1000:g} ms\n")
    print("| streams | loop | probes | late | uncertainty p50, ms | p99 "
          "| others' TTFT error p99, ms | covered |")  # fmt: skip
    print("|--:|---|--:|--:|--:|--:|--:|--:|")
    for (streams, condition, client), pairs in measured.items():
        if client != "ours":
            continue
        known = [pair.seen.uncertainty_seconds or 0.0 for pair in pairs]
        prompt = [
            pair.time_to_first_token_error
            for pair, lag in zip(pairs, known, strict=True)
            if lag <= LATE_SECONDS
        ]
        late = 1 - len(prompt) / len(pairs)
        others = f"{quantiles_ms(prompt)[1]:.3f}" if prompt else "none"
        p50, p99, _ = quantiles_ms(known)
        print(f"| {streams} | {condition} | {len(pairs)} | {late:.1%} | {p50:.3f} | {p99:.3f} "
              f"| {others} | {share_covered(pairs):.2%} |")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks truth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a minute, for CI")
    quick = parser.parse_args().quick
    scripts, seconds = (QUICK_SCRIPTS, 1.5) if quick else (SCRIPTS, 10.0)
    disturbances = QUICK_DISTURBANCES if quick else tuple(DISTURBANCES)
    started = time.monotonic()
    measured: Measured = {}
    with truth_server() as url:
        truth = Truth(url)
        for streams, condition, client in itertools.product(scripts, CONDITIONS, CLIENTS):
            print(f"{client}, {streams} streams, {condition}", file=sys.stderr)
            case = Case(client, scripts[streams], streams, seconds, condition)
            pairs = measure(truth, case)
            measured[streams, condition, client] = pairs
        disturbed = measure_disturbed(truth, disturbances, 3 * seconds)
    for title, error in ERRORS.items():
        print_errors(measured, title, error)
    print_uncertainty(measured)
    print_coverage(disturbed)
    writes = [pair.write_seconds for pairs in measured.values() for pair in pairs]
    p50, p99, largest = quantiles_ms(writes)
    print(f"\nthe server's clock reading and send are at most p50 {p50:.3f}, p99 {p99:.3f}, "
          f"max {largest:.3f} ms apart")  # fmt: skip
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, "
          f"{time.monotonic() - started:.0f} s")  # fmt: skip
