"""Which results are cold without an idle period: what the server reports, and outliers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from exporter.cold.detector import ColdDetector
from exporter.cold.waiting import WaitingListener, WaitingTargets
from exporter.cold.warmth import ENOUGH, WarmTimes
from exporter.coldness import ColdSignal, Waiting
from exporter.config.plan import Plan
from exporter.config.root import Config
from exporter.observation import observed
from exporter.result import NANOSECONDS, Failure, FailureReason, ProbeResult, Timeline
from tests.observing import Plans, newly

WARM_SECONDS = 0.4
COLD_SECONDS = 3.0
INTERVAL_SECONDS = 60.0


def plan(**fields: Any) -> Plan:
    target = {"name": "t", "provider": "openai", "model": "m", "base_url": "http://127.0.0.1:1"}
    (only,) = Config.model_validate({"targets": [{**target, **fields}]}).plans()
    return only


def answer(seconds: float, after_idle_seconds: float, **fields: Any) -> ProbeResult:
    """Return a success that starts this long after the previous result."""
    start = time.monotonic_ns() + round(after_idle_seconds * NANOSECONDS)
    first_token = start + round(seconds * NANOSECONDS)
    return ProbeResult(
        target="t",
        probe="short",
        finished_at=time.time(),
        timeline=Timeline(start=start, sent=start, first_token=first_token),
        **fields,
    )


def detector(*plans: Plan, told: WaitingListener = lambda *_: None) -> ColdDetector:
    made = ColdDetector(WaitingTargets([told]))
    made.apply(newly(plans))
    return made


def judged(plan: Plan, *results: Callable[[], ProbeResult]) -> list[ColdSignal | None]:
    judge = detector(plan).judge
    verdicts = [judge(observed(plan, result())) for result in results]
    return [verdict.cold.signal if verdict.cold else None for verdict in verdicts]


def warm(seconds: float = WARM_SECONDS) -> Callable[[], ProbeResult]:
    return lambda: answer(seconds, INTERVAL_SECONDS)


HISTORY = [warm()] * (ENOUGH + 1)


@pytest.mark.parametrize(
    ("fields", "seconds", "idle_seconds", "signal"),
    [
        pytest.param({}, COLD_SECONDS, 301, ColdSignal.SLOW, id="an outlier after an idle spell"),
        pytest.param({}, COLD_SECONDS, 299, None, id="not idle for long enough"),
        pytest.param({}, WARM_SECONDS * 1.9, 301, None, id="no outlier"),
        pytest.param(
            {"interval": "10m"}, COLD_SECONDS, 600, None, id="the plan's own rhythm is no idleness"
        ),
        pytest.param({"interval": "10m"}, COLD_SECONDS, 1201, ColdSignal.SLOW, id="two missed"),
        pytest.param(
            {"cold_start": {"idle": "150s"}}, COLD_SECONDS, 151, ColdSignal.SLOW, id="as configured"
        ),
    ],
)
def test_a_silent_cold_start_is_an_outlier_after_an_idle_spell(
    fields: dict[str, Any], seconds: float, idle_seconds: float, signal: ColdSignal | None
) -> None:
    late = lambda: answer(seconds, idle_seconds)  # noqa: E731
    assert judged(plan(**fields), *HISTORY, late)[-1] is signal


def test_nothing_is_an_outlier_before_enough_is_known() -> None:
    late = lambda: answer(COLD_SECONDS, 301)  # noqa: E731
    assert judged(plan(), *HISTORY[2:], late) == [None] * ENOUGH


def test_a_provider_that_gets_slow_is_not_called_cold() -> None:
    slow = [warm(COLD_SECONDS)] * 5
    assert judged(plan(), *HISTORY, *slow)[-5:] == [None] * 5


@pytest.mark.parametrize(
    ("load_seconds", "signal"), [(0.06, None), (2.1, ColdSignal.LOAD_TIME)], ids=["warm", "cold"]
)
def test_a_server_that_tells_its_load_time_needs_no_rule(
    load_seconds: float, signal: ColdSignal | None
) -> None:
    told = lambda: answer(2.5, 1, model_load_seconds=load_seconds)  # noqa: E731
    assert judged(plan(), warm(), told) == [None, signal]


def test_times_that_are_not_certain_are_no_warm_ones_and_no_outliers() -> None:
    asked = plan()
    own = detector(asked)
    for result in HISTORY:
        own.judge(observed(asked, result()))
    median = own.warm_times(asked).median
    for _ in range(60):
        unsure = replace(observed(asked, answer(COLD_SECONDS, INTERVAL_SECONDS)), certain=False)
        assert own.judge(unsure).cold is None
    assert own.warm_times(asked).median == median
    after_idle = replace(observed(asked, answer(COLD_SECONDS, 301)), certain=False)
    assert own.judge(after_idle).cold is None


def test_a_probe_that_the_exporter_interrupted_shows_no_cold_model() -> None:
    asked, waiting = plan(), list[Waiting | None]()
    own = detector(asked, told=lambda _, waits: waiting.append(waits))
    failure = Failure(FailureReason.NOT_READY, "Loading model", 503)
    late = replace(answer(WARM_SECONDS, 1), failure=failure, interrupted=True)
    own.judge(observed(asked, late))
    assert waiting == []
    assert own.judge(observed(asked, answer(WARM_SECONDS, 1))).cold is None


def failure(reason: FailureReason, status: int | None = None) -> Callable[[], ProbeResult]:
    failed = Failure(reason, "x", status)
    return lambda: replace(answer(WARM_SECONDS, INTERVAL_SECONDS), failure=failed)


NOT_READY = failure(FailureReason.NOT_READY, 503)


@pytest.mark.parametrize(
    ("between", "signal"),
    [
        pytest.param(failure(FailureReason.TIMEOUT_FIRST_TOKEN), ColdSignal.NOT_READY, id="held"),
        pytest.param(failure(FailureReason.CONNECT), ColdSignal.NOT_READY, id="restarting"),
        pytest.param(failure(FailureReason.SERVER_ERROR, 502), ColdSignal.NOT_READY, id="gateway"),
        pytest.param(failure(FailureReason.AUTH, 401), None, id="key revoked"),
        pytest.param(failure(FailureReason.SERVER_ERROR, 500), None, id="failed to load"),
        pytest.param(failure(FailureReason.RATE_LIMITED, 429), None, id="rate-limited"),
    ],
)
def test_only_a_failure_of_a_model_that_starts_is_part_of_a_cold_start(
    between: Callable[[], ProbeResult], signal: ColdSignal | None
) -> None:
    assert judged(plan(), *HISTORY, NOT_READY, between, warm())[-1] == signal


def test_after_another_failure_nobody_waits_for_the_model() -> None:
    asked, waiting = plan(), list[Waiting | None]()
    own = detector(asked, told=lambda _, waits: waiting.append(waits))
    for result in (NOT_READY, failure(FailureReason.AUTH, 401)):
        own.judge(observed(asked, result()))
    assert [waits is not None for waits in waiting] == [True, False]


@pytest.mark.parametrize(
    ("missing_seconds", "signal"), [(900, ColdSignal.NOT_READY), (86_400, None)]
)
def test_a_time_without_probes_is_no_part_of_a_cold_start(
    missing_seconds: float, signal: ColdSignal | None
) -> None:
    later = judged(plan(), *HISTORY, NOT_READY, lambda: answer(WARM_SECONDS, missing_seconds))
    assert later[-1] == signal


def test_the_past_of_another_model_counts_for_nothing() -> None:
    plans, own = Plans(), detector()
    for asked in (plan(), plan(model="other")):
        own.apply(plans.become([asked]))
        assert own.warm_times(asked).median is None
        for result in HISTORY:
            own.judge(observed(asked, result()))
        assert own.warm_times(asked).median == pytest.approx(WARM_SECONDS)


def test_warm_times_are_rarely_taken_for_cold_ones() -> None:
    """The benchmark measures the exact rate. This test checks only its order of magnitude."""
    random, times, wrong = Random(1), WarmTimes(), 0
    for _ in range(2000):
        seconds = WARM_SECONDS * random.lognormvariate(0, 0.25)
        wrong += times.is_outlier(seconds)
        times.add(seconds)
    assert wrong <= 4
