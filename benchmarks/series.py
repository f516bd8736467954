"""The number of series and bytes of a target, by format.

The target has an https URL with a host name, rate limits and a certificate, and it has had twenty
probes. The benchmark measures it with and without a price, and with and without classic buckets. It
takes two seconds.
"""

from __future__ import annotations

import argparse
import gzip
import math
from dataclasses import replace
from random import Random

from benchmarks.samples import MS, RESULT
from exporter.config.exposed import ExposedMetrics
from exporter.config.plan import Plan, PlanChange
from exporter.config.root import Config
from exporter.metrics.exposition import OPENMETRICS, PROTOBUF, TEXT, Format
from exporter.metrics.registry import Metrics
from exporter.observation import observed
from exporter.result import RateLimit, Timeline

TARGETS = 100
"""Enough targets that shared parts, such as help texts, hardly count."""
PROBES = 20
PRICE = {"input": 1.0, "output": 4.0}
FORMATS = (("text", TEXT), ("OpenMetrics", OPENMETRICS), ("protobuf", PROTOBUF))


def plans(*, priced: bool, kind: str) -> tuple[Plan, ...]:
    target = {
        "provider": "openai",
        "model": "gpt-6.1-mini",
        "base_url": "https://api.openai.com/v1",
        **({"price": PRICE} if priced else {}),
    }
    probe = {"kind": kind} if kind != "chat" else {"prompt": "Count from 1 to 20."}
    targets = [{"name": f"target-{number:04d}", **target} for number in range(TARGETS)]
    return Config.model_validate({"probes": {"short": probe}, "targets": targets}).plans()


def probed(asked: tuple[Plan, ...], *, classic: bool, probes: int) -> Metrics:
    """Return metrics after successes of each plan, each with a different speed."""
    metrics, random = Metrics(shown=ExposedMetrics(classic_histograms=classic)), Random(1)
    metrics.apply(PlanChange.between((), asked))
    for plan in asked:
        for number in range(probes):
            slower = math.exp(random.gauss(0, 0.3))
            first, gap = round(350 * MS * slower), round(10 * MS * slower)
            last = first + 63 * gap
            timeline = Timeline(
                start=0, sent=2 * MS, headers=first - MS, first_token=first,
                first_answer_token=first, last_token=last, end=last + 5 * MS,
                gaps=(gap,) * 63, lag=30_000,
            )  # fmt: skip
            result = replace(
                RESULT,
                target=plan.target.name,
                probe=plan.probe_name,
                timeline=timeline,
                request_id=f"req_{number:016x}",
                certificate_expires_at=1.8e9,
                rate_limits=(RateLimit("requests", 5e3, 4e3), RateLimit("tokens", 2e6, 1e6)),
            )
            metrics.observe(observed(plan, result))
    return metrics


def series_of(metrics: Metrics, format_: Format) -> float:
    """Return the number of series that a scraper stores for a target."""
    target = metrics.of_target("target-0000")
    return sum(shown.size(native=format_.native) for shown in target)


def print_series() -> None:
    print(
        "\n| a target's series | at the start | after some probes | native alone, start | after |"
    )
    print("|---|--:|--:|--:|--:|")
    for name, priced, kind in (
        ("hosted chat", False, "chat"),
        ("hosted chat with a price", True, "chat"),
        ("`models`", False, "models"),
    ):
        cells = [
            series_of(
                probed(plans(priced=priced, kind=kind), classic=classic, probes=probes), PROTOBUF
            )
            for classic in (True, False)
            for probes in (0, PROBES if kind == "chat" else 0)
        ]
        print(f"| {name} | {' | '.join(map(str, cells))} |")


def print_bytes() -> None:
    """Print the size of a scrape divided by the number of targets."""
    print("\n| bytes of a target in a scrape | plain | gzip | native alone, plain | gzip |")
    print("|---|--:|--:|--:|--:|")
    asked = plans(priced=True, kind="chat")
    shown = [probed(asked, classic=classic, probes=PROBES) for classic in (True, False)]
    for name, format_ in FORMATS:
        bodies = [format_.body(m.everything(native=format_.native)) for m in shown]
        sizes = [s for one in bodies for s in (len(one), len(gzip.compress(one, 1)))]
        print(f"| {name} | {' | '.join(f'{size / TARGETS:,.0f}' for size in sizes)} |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.series", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the same: it is quick")
    parser.parse_args()
    print_series()
    print_bytes()


if __name__ == "__main__":
    main()
