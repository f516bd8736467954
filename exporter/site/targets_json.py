"""The response of ``/api/v1/targets``: the rows of the status page, for scripts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from pydantic import JsonValue

from exporter.observation import Observation
from exporter.site.judgement import judge, next_probe_at
from exporter.site.past import PeriodSummary
from exporter.site.result_json import result_to_json
from exporter.site.status import StatusRow


def targets_to_json(rows: Iterable[StatusRow], now: float) -> list[JsonValue]:
    """The rows at a time, Unix seconds."""
    return [_row_to_json(row, now) for row in rows]


def _row_to_json(row: StatusRow, now: float) -> JsonValue:
    target, judgement = row.plan.target, judge(row, now)
    return {
        "target": target.name,
        "provider": target.provider,
        "model": target.model,
        "probe": row.plan.probe_name,
        "labels": dict(target.labels),
        "endpoint": target.endpoint,
        "interval_seconds": row.plan.interval_seconds,
        "next_probe_at": next_probe_at(row, now),
        "state": judgement.state,
        "why": judgement.why,
        "hour": _summary_to_json(row.hour),
        "day": _summary_to_json(row.day),
        "objectives": [
            {
                "name": tally.objective.name,
                "ratio": tally.objective.ratio,
                "threshold_seconds": tally.objective.threshold_seconds,
                "good": tally.good,
                "judged": tally.judged,
                "verdict": tally.verdict,
            }
            for tally in row.tallies
        ],
        "waiting": asdict(row.waiting) if row.waiting else None,
        "last": _last_to_json(row.last) if row.last else None,
    }


def _summary_to_json(summary: PeriodSummary) -> JsonValue:
    return {
        "probes": summary.probes,
        "success_ratio": summary.success_ratio,
        "p50_seconds": summary.p50,
        "p95_seconds": summary.p95,
    }


def _last_to_json(last: Observation) -> dict[str, JsonValue]:
    """The result without the fields of its row, and without the answer: prompts can be the user's
    own data, and answers can reveal them."""
    omitted = {"target", "probe", "answer"}
    fields = result_to_json(last.result, last.cold)
    return {key: value for key, value in fields.items() if key not in omitted}
