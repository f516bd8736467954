"""How long an answer can stop the probes of its target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from exporter.config.plan import Plan
from exporter.probing import requested_waits
from exporter.probing.requested_waits import MAX_RETRY_AFTER_SECONDS, RequestedWaits
from exporter.result import Failure, FailureReason
from tests.metrics.test_metrics import GOOD, plan

LIMITED = Failure(FailureReason.RATE_LIMITED, "Slow down.", 429)

Pass = Callable[[float], None]
"""Lets seconds pass."""


@pytest.fixture
def pass_seconds(monkeypatch: pytest.MonkeyPatch) -> Pass:
    clock = SimpleNamespace(now=1000.0)
    fake = SimpleNamespace(monotonic=lambda: clock.now)
    monkeypatch.setattr(requested_waits, "time", fake)

    def pass_seconds(seconds: float) -> None:
        clock.now += seconds

    return pass_seconds


def note(
    waits: RequestedWaits,
    seconds: float | None,
    failure: Failure | None = LIMITED,
    of: Plan | None = None,
) -> None:
    waits.note(of or plan(), replace(GOOD, failure=failure, retry_after_seconds=seconds))


@pytest.mark.parametrize("seconds", [901.0, 86_400.0, 1e300])
def test_no_provider_can_silence_its_probes_for_longer_than_the_limit(
    seconds: float, pass_seconds: Pass
) -> None:
    waits = RequestedWaits()
    note(waits, seconds)
    pass_seconds(MAX_RETRY_AFTER_SECONDS - 1)
    assert waits.includes(plan())
    pass_seconds(1)
    assert not waits.includes(plan())


def test_the_latest_refusal_says_how_long_to_wait(pass_seconds: Pass) -> None:
    waits = RequestedWaits()
    note(waits, 600)
    note(waits, 60)
    pass_seconds(60)
    assert not waits.includes(plan())


def test_only_failures_of_the_same_target_ask_for_a_wait(pass_seconds: Pass) -> None:
    waits = RequestedWaits()
    note(waits, 60, failure=None)
    assert not waits.includes(plan())
    note(waits, 60)
    assert waits.includes(plan())
    assert not waits.includes(plan("other"))
    pass_seconds(60)
    assert not waits.includes(plan())


def test_a_success_of_the_refused_probe_ends_the_wait(pass_seconds: Pass) -> None:
    waits = RequestedWaits()
    note(waits, 600)
    pass_seconds(10)
    note(waits, None, failure=None)
    assert not waits.includes(plan())


def test_a_success_of_another_probe_of_the_target_ends_no_wait(pass_seconds: Pass) -> None:
    """It may have been sent before, or be too small for the limit, or cost nothing."""
    waits = RequestedWaits()
    note(waits, 600)
    pass_seconds(10)
    note(waits, None, failure=None, of=replace(plan(), probe_name="smaller"))
    assert waits.includes(plan())


def test_a_failure_that_asks_for_no_wait_ends_none(pass_seconds: Pass) -> None:
    waits = RequestedWaits()
    note(waits, 600)
    note(waits, None)
    assert waits.includes(plan())
