"""Targets and a result for benchmarks, with as many series as real ones."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from exporter.config.plan import Plan
from exporter.config.root import Config
from exporter.metrics.registry import Metrics
from exporter.observation import observed
from exporter.result import ConnectionPhases, ProbeResult, Timeline, Usage

MS = 1_000_000


@lru_cache(maxsize=4)
def plans(targets: int) -> tuple[Plan, ...]:
    """Return plans for targets with one probe, one label and a price each."""
    return Config.model_validate(
        {
            "targets": [
                {
                    "name": f"target-{number:04d}",
                    "provider": "openai",
                    "model": "gpt-6.1-mini",
                    "base_url": "http://127.0.0.1:9/v1",
                    "labels": {"team": "search"},
                    "price": {"input": 1.0, "output": 4.0},
                }
                for number in range(targets)
            ]
        }
    ).plans()


RESULT = ProbeResult(
    target="",
    probe="",
    finished_at=1_790_000_000.0,
    timeline=Timeline(
        start=0,
        sent=2 * MS,
        headers=200 * MS,
        first_token=350 * MS,
        first_answer_token=350 * MS,
        last_token=980 * MS,
        end=985 * MS,
        gaps=(10 * MS,) * 63,
        lag=30_000,
    ),
    usage=Usage(input=24, output=64),
    connection=ConnectionPhases(dns_seconds=0.001, tcp_seconds=0.01, tls_seconds=0.02),
    request_id="req_0123456789abcdef",
    served_model="gpt-6.1-mini-2026-09-01",
)
"""A success with 64 tokens over a new connection."""


def probe_all(metrics: Metrics, targets: int) -> None:
    """Record one more result for every target."""
    for plan in plans(targets):
        result = replace(RESULT, target=plan.target.name, probe=plan.probe_name)
        metrics.observe(observed(plan, result))
