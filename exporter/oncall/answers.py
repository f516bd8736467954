"""Builds the answers for an agent: short and factual, with texts from providers marked as such."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from exporter.oncall.clients import Row
from exporter.settings.redaction import redact

MOST_CHARACTERS = 12_000
"""The limit for the rows of one answer: an agent's context is small, and costs money."""
_MAX_TEXT = 240

Answer = dict[str, Any]


def text(value: object) -> str | None:
    """A text from a provider: redacted, on one line, and cut to the limit."""
    if value is None:
        return None
    line = " ".join(redact(str(value)).split())
    return line if len(line) <= _MAX_TEXT else f"{line[: _MAX_TEXT - 1]}…"


def fitted(rows: Iterable[Answer]) -> Answer:
    """As many rows as fit, and the number of omitted rows."""
    shown: list[Answer] = []
    size = omitted = 0
    for row in rows:
        size += len(json.dumps(row))
        if size <= MOST_CHARACTERS:
            shown.append(row)
        else:
            omitted += 1
    return {"rows": shown, "omitted": omitted}


def state(row: Row) -> str:
    """The state of a target: up, failing, not ready, idle (before a cold start), not probed yet."""
    waiting, last = row["waiting"], row["last"]
    if waiting:
        return "idle" if waiting["ready"] else "not ready"
    if last is None:
        return "not probed yet"
    return "up" if last["success"] else "failing"


def summary(row: Row) -> Answer:
    """A short summary of a target and probe."""
    last = row["last"] or {}
    return {
        "target": row["target"],
        "probe": row["probe"],
        "provider": row["provider"],
        "model": row["model"],
        "state": state(row),
        "failure": (last.get("failure") or {}).get("reason"),
        "time_to_first_token_seconds": rounded(last.get("time_to_first_token_seconds")),
        "output_tokens_per_second": rounded(last.get("output_tokens_per_second")),
        "finished_at": rounded(last.get("finished_at")),
    }


def failure(row: Row) -> Answer:
    """Why the latest probe failed."""
    last = row["last"]
    return {
        "target": row["target"],
        "probe": row["probe"],
        "reason": last["failure"]["reason"],
        "status": last["failure"]["status"],
        "provider_says": text(last["failure"]["detail"]),
        "request_id": text(last["request_id"]),
        "finished_at": rounded(last["finished_at"]),
    }


def latest(row: Row) -> Answer:
    """The latest result, without prompts and responses."""
    last = row["last"]
    if last is None:
        return {"state": state(row)}
    measured = (
        "time_to_first_token_seconds",
        "time_to_first_answer_token_seconds",
        "output_tokens_per_second",
        "request_duration_seconds",
        "max_stall_seconds",
        "uncertainty_seconds",
        "model_load_seconds",
    )
    return {
        "probe": row["probe"],
        "state": state(row),
        **{name: rounded(last[name]) for name in measured if last.get(name) is not None},
        "connection": {k: rounded(v) for k, v in (last["connection"] or {}).items()} or None,
        "cold": (last["cold"] or {}).get("signal"),
        "served_model": text(last["served_model"]),
        "failure": failure(row) if last["failure"] else None,
    }


def rounded(value: Any) -> Any:
    """The value with four digits, which is more than the accuracy of any measurement here."""
    if not isinstance(value, float):
        return value
    return round(value, 1) if abs(value) >= 1000 else float(f"{value:.4g}")


def of_target(rows: Sequence[Row], target: str) -> list[Row]:
    """The rows of one target.

    :raises KeyError: no target has this name. The message lists the names.
    """
    found = [row for row in rows if row["target"] == target]
    if not found:
        names = ", ".join(sorted({row["target"] for row in rows})[:20]) or "none"
        raise KeyError(f"no target is named {target[:80]!r}; the targets are {names}")
    return found
