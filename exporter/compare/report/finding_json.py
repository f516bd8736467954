"""One measure of one candidate as JSON."""

from __future__ import annotations

from pydantic import JsonValue

from exporter.compare.statistics.findings import Finding
from exporter.compare.statistics.measures import SuccessRatio


def finding_json(finding: Finding) -> JsonValue:
    effect = finding.effect
    is_share = isinstance(finding.definition.statistic, SuccessRatio)
    return {
        "measure": finding.measure.value,
        "unit": finding.definition.unit.value,
        "baseline": finding.baseline,
        "candidate": finding.candidate,
        "effect": "difference" if is_share else "ratio",
        "value": effect.value if effect else None,
        "low": effect.low if effect else None,
        "high": effect.high if effect else None,
        "p_value": effect.p_value if effect else None,
        "corrected_p_value": finding.corrected_p,
        "margin": finding.margin,
        "verdict": finding.verdict.value,
        "note": finding.note,
    }
