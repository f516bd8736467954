"""The demo's log is readable."""

from __future__ import annotations

import logging
import re
from io import StringIO

import pytest
import structlog

from exporter.process.logs import configure_logging, log_failure
from exporter.settings.redaction import remember
from tests.runtime.test_logs import RESULT


def test_a_failed_probe_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    written = StringIO()
    monkeypatch.setattr("sys.stderr", written)
    configure_logging(sentences=True)
    remember("sk-secret-of-the-demo")
    log_failure(RESULT)
    structlog.get_logger("exporter.x").info("started", url="http://x", key="sk-secret-of-the-demo")
    structlog.get_logger("exporter.x").info("booted", model_listed=14.073037056)
    first, second, third = written.getvalue().splitlines()
    assert re.match(r"\d\d:\d\d:\d\d warning: \S+: probe failed: \w+: ", first)
    assert re.fullmatch(r"\d\d:\d\d:\d\d started \(url http://x, key \[secret\]\)", second)
    assert third.endswith(" booted (model listed 14.07)")
    assert logging.getLogger().handlers
