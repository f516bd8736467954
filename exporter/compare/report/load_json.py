"""The results under load as JSON."""

from __future__ import annotations

from math import isinf

from pydantic import JsonValue

from exporter.compare.report.finding_json import finding_json
from exporter.compare.statistics.levels import Breaking, Estimate, Level, Load, SideAtLevel


def load_json(load: Load) -> JsonValue:
    return {
        "levels": [_level(level) for level in load.levels],
        "objectives": [_breaking(breaking) for breaking in load.breakings],
    }


def _level(level: Level) -> JsonValue:
    return {
        "streams": level.streams,
        "targets": [_side(side) for side in level.sides],
        "candidates": [
            {
                "candidate": versus.candidate.name,
                "findings": [finding_json(finding) for finding in versus.findings],
            }
            for versus in level.versus
        ],
    }


def _side(side: SideAtLevel) -> JsonValue:
    return {
        "name": side.target,
        "requests": side.requests,
        **{measure.value: _estimate(estimate) for measure, estimate in side.times.items()},
        "success": _estimate(side.success),
        "tokens_per_second_in_all": _estimate(side.tokens_per_second),
        "usd_per_million_tokens": side.usd_per_million_tokens,
        "usd_per_million_tokens_interval": list(side.usd_interval) if side.usd_interval else None,
        "rate_limited": side.limited,
    }


def _breaking(breaking: Breaking) -> JsonValue:
    return {
        "target": breaking.target,
        "measure": breaking.objective.measure.value,
        "seconds": breaking.objective.seconds,
        "holds_at": breaking.holds_at,
        "breaks_at": breaking.breaks_at,
        "streams": _estimate(breaking.estimate),
    }


def _estimate(estimate: Estimate | None) -> JsonValue:
    """Convert an estimate. A bound beyond the measured levels is null."""
    if estimate is None:
        return None
    figures = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: None if v is None or isinf(v) else v for name, v in figures.items()}
