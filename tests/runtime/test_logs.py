"""The log: JSON outside a terminal, one line for a failed probe, never a secret."""

from __future__ import annotations

import io
import json
import logging
import sys
from dataclasses import replace
from typing import Any

import pytest
import structlog

from exporter.process.logs import configure_logging, log_failure
from exporter.result import Failure, FailureReason, ProbeResult, Timeline
from exporter.settings.redaction import remember

SECRET = "sk-echoed-by-the-provider"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


pytestmark = pytest.mark.usefixtures("restored_logging")


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Return standard error, with logging configured."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging()
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


RESULT = ProbeResult(
    target="a",
    probe="short",
    finished_at=0.0,
    timeline=Timeline(start=0),
    failure=Failure(FailureReason.AUTH, "wrong key", 401),
    request_id="req_1",
)


def test_a_failed_probe_is_one_line_of_json(stream: io.StringIO) -> None:
    log_failure(RESULT)
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "probe failed",
        "level": "warning",
        "logger": "exporter.process.logs",
        "target": "a",
        "probe": "short",
        "reason": "auth",
        "detail": "wrong key",
        "status": 401,
        "request_id": "req_1",
    }


def test_a_successful_probe_logs_nothing(stream: io.StringIO) -> None:
    log_failure(replace(RESULT, failure=None))
    assert stream.getvalue() == ""


def test_an_echoed_secret_is_redacted_everywhere(stream: io.StringIO) -> None:
    remember(SECRET)
    echo = Failure(FailureReason.AUTH, f"wrong key {SECRET}")
    log_failure(replace(RESULT, failure=echo, request_id=SECRET))
    log = structlog.get_logger("exporter.test")
    message = f"message {SECRET}"
    log.error(message, field=SECRET, nested={"list": [SECRET]})
    try:
        raise ValueError(SECRET)
    except ValueError:
        log.exception("crashed")
    logging.getLogger("some.library").error("library says %s", SECRET)
    seen = lines(stream)
    assert [line["event"] for line in seen] == [
        "probe failed",
        "message [secret]",
        "crashed",
        "library says [secret]",
    ]
    assert "ValueError: [secret]" in seen[2]["exception"]
    assert SECRET not in stream.getvalue()


def test_a_terminal_gets_lines_for_people_and_no_secret_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remember(SECRET)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    configure_logging()
    log_failure(replace(RESULT, request_id=SECRET))
    text = terminal.getvalue()
    assert "probe failed" in text
    assert not text.startswith("{")
    assert SECRET not in text


def test_a_traceback_at_a_terminal_shows_no_local_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    configure_logging()
    own_value = "only-in-a-local-variable"
    try:
        raise ValueError("what happened")
    except ValueError:
        structlog.get_logger("exporter.test").exception("crashed")
    text = terminal.getvalue()
    assert "what happened" in text
    assert "Traceback" in text
    assert own_value not in text


@pytest.mark.parametrize(
    ("level", "events"),
    [("debug", ["d", "i", "w"]), ("info", ["i", "w"]), ("warning", ["w"]), ("error", [])],
)
def test_the_level_applies_to_our_own_lines(
    level: str, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging(level)
    log = structlog.get_logger("exporter.test")
    log.debug("d")
    log.info("i")
    log.warning("w")
    logging.getLogger("some.library").info("chatter")
    assert [line["event"] for line in lines(stream)] == events
