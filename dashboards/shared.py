"""Panels that appear on more than one dashboard."""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries

from dashboards.expressions import total
from dashboards.frame import TARGETS
from dashboards.panels import COUNT, Query, Text, over_time


def evidence_of_change() -> timeseries.Panel:
    """Show how certain the exporter is of a change."""
    evidence = f"max by (probe, measure) (inference_change_evidence{{{TARGETS}}})"
    return over_time(
        Text(
            "Evidence of a change",
            "How strongly the latest probes show that more failures, or times half"
            " as long again, are not chance. Chance alone reaches 13 once in ten"
            " months of one probe per minute.",
        ),
        COUNT,
        Query(evidence, "{{probe}} {{measure}}"),
        width=12,
    )


def confirming_probes() -> timeseries.Panel:
    """Show the probes that were sent in addition to scheduled ones."""
    return over_time(
        Text("Confirming probes", "Extra probes to confirm a change."),
        COUNT,
        Query(total("inference_confirmations_total", TARGETS, "outcome"), "{{outcome}}"),
        width=12,
        stacked=True,
        empty="none",
    )


def skipped_probes() -> timeseries.Panel:
    """Show the due probes of the selected targets that weren't sent."""
    return over_time(
        Text("Skipped probes", "Probes that were due but not sent, and why."),
        COUNT,
        Query(total("inference_probes_skipped_total", TARGETS, "reason"), "{{reason}}"),
        width=8,
        stacked=True,
    )
