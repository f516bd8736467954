"""How often the reported uncertainty covers the error if the process can't run all the time.

``python -m benchmarks.truth.coverage`` sends at least a given number of our probes under each
disturbance. To show a share of 99.5 %, it takes thousands. Needs Go.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable, Sequence

from benchmarks.truth.clients import CLIENTS, Case
from benchmarks.truth.disturbances import DISTURBANCES
from benchmarks.truth.errors import Pair, quantiles_ms, share_covered
from benchmarks.truth.measuring import SCRIPTS, measure
from benchmarks.truth.served import Truth, truth_server

STREAMS = 8
MANY_STREAMS = 64
_ROUND_SECONDS = 40

Disturbed = dict[tuple[str, str], list[Pair]]
"""The results by disturbance and client."""


def measure_disturbed(truth: Truth, disturbances: Iterable[str], seconds: float) -> Disturbed:
    """Measure both clients under each disturbance in turn."""
    measured: Disturbed = {}
    for name, client in itertools.product(disturbances, CLIENTS):
        print(f"{client}, {name}", file=sys.stderr)
        case = Case(client, SCRIPTS[16], STREAMS, seconds, "quiet")
        measured[name, client] = measure(truth, case, DISTURBANCES[name])
    return measured


def measure_many(probes: int) -> Disturbed:
    """Measure only our client, with at least this many probes under each disturbance."""
    case = Case("ours", SCRIPTS[MANY_STREAMS], MANY_STREAMS, _ROUND_SECONDS, "quiet")
    measured: Disturbed = {}
    for name, disturbing in DISTURBANCES.items():
        pairs = measured[name, case.client] = []
        while len(pairs) < probes:
            with truth_server() as url:
                pairs += measure(Truth(url), case, disturbing)
            print(f"{name}: {len(pairs):,} probes", file=sys.stderr)
    return measured


def print_coverage(measured: Disturbed, streams: int = STREAMS) -> None:
    print(f"\nkept from running, {streams} streams; all in ms\n")
    print("| | client | requests | TTFT error p50 | p99 | max | claimed p50 | p99 "
          "| covered | beyond the claim, max |")  # fmt: skip
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for (name, client), pairs in measured.items():
        errors = quantiles_ms([pair.time_to_first_token_error for pair in pairs])
        beyond = max(0.0, *(pair.beyond_claim for pair in pairs)) * 1000
        figures = " | ".join(f"{figure:.3f}" for figure in errors)
        print(f"| {name} | {client} | {len(pairs)} | {figures} | {_claims(pairs)} "
              f"| {share_covered(pairs):.2%} | {beyond:.3f} |")  # fmt: skip


def _claims(pairs: Sequence[Pair]) -> str:
    claims = [pair.seen.uncertainty_seconds for pair in pairs]
    known = [claim for claim in claims if claim is not None]
    if not known:
        return "none | none"
    p50, p99, _ = quantiles_ms(known)
    return f"{p50:.3f} | {p99:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.truth.coverage", description=__doc__
    )
    parser.add_argument("--probes", type=int, default=2_000, help="at least, for each disturbance")
    print_coverage(measure_many(parser.parse_args().probes), MANY_STREAMS)


if __name__ == "__main__":
    main()
