"""Log lines for people: when, who, what, and why."""

from __future__ import annotations

from datetime import datetime

from structlog.typing import EventDict, WrappedLogger

_OMITTED = frozenset({"level", "logger", "timestamp", "event", "target", "probe", "exception"})


def in_a_sentence(_logger: WrappedLogger, _method: str, line: EventDict) -> str:
    """``05:38:28 warning: throttled/short: probe failed: rate_limited: Slow down.``"""
    at = datetime.fromisoformat(line["timestamp"]).astimezone().strftime("%H:%M:%S")
    level = "" if line["level"] == "info" else f"{line['level']}: "
    who = "/".join(str(line[name]) for name in ("target", "probe") if line.get(name))
    about = {name: value for name, value in line.items() if name not in _OMITTED}
    why = [str(about.pop(name)) for name in ("reason", "detail", "why", "error") if about.get(name)]
    parts = [who, str(line["event"]), *why]
    known = ", ".join(
        f"{name.replace('_', ' ')} {_short(value)}"
        for name, value in about.items()
        if value is not None
    )
    said = f"{at} {level}{': '.join(part for part in parts if part)}"
    said += f" ({known})" if known else ""
    return "\n".join(filter(None, (said, line.get("exception"))))


def _short(value: object) -> str:
    """Four digits are enough for people."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
