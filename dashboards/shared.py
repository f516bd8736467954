"""Panels that stand on more than one dashboard."""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries

from dashboards.expressions import total
from dashboards.frame import TARGETS
from dashboards.panels import COUNT, Query, Text, over_time


def skipped_probes() -> timeseries.Panel:
    """What was due and not sent, of the targets that are chosen."""
    return over_time(
        Text("Skipped probes", "Probes that were due but not sent, and why."),
        COUNT,
        Query(total("inference_probes_skipped_total", TARGETS, "reason"), "{{reason}}"),
        width=8,
        stacked=True,
    )
