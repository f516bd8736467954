"""Confirming probes: when they are sent, how often, and where they count."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Mapping
from dataclasses import replace
from random import Random

import pytest

from exporter.config.plan import Plan
from exporter.observation import Observation, Occasion, observed
from exporter.probing.confirmation import SAVED, SHARE, Confirmation, pause_seconds
from exporter.probing.evidence import DOUBT, LIMIT, FailureEvidence, SlownessEvidence
from exporter.result import NANOSECONDS, Failure, FailureReason, ProbeResult
from tests.metrics.test_metrics import GOOD, plan, samples, value
from tests.observing import Plans, ToldMetrics, newly
from tests.probing.test_schedule import plan_for, running
from tests.waiting import until
from tests.wire import WireServer, response, wire_server

ASKED = replace(plan(), confirm=True)
BROKEN = Failure(FailureReason.SERVER_ERROR, "HTTP 500", 500)
USUAL, CONFIRMING = Occasion.USUAL, Occasion.CONFIRMING


def times(count: int, sigma: float = 0.2, seed: int = 1, factor: float = 1.0) -> list[float]:
    random = Random(seed)
    return [factor * 0.4 * random.lognormvariate(0, sigma) for _ in range(count)]


def slowness(*seconds: float) -> SlownessEvidence:
    evidence = SlownessEvidence()
    for one in seconds:
        evidence.take(one, scheduled=True)
    return evidence


def observation(
    result: ProbeResult = GOOD,
    occasion: Occasion = USUAL,
    asked: Plan = ASKED,
    seconds: float = 0.0,
) -> Observation:
    """Return the observation of a probe that was sent this long after the first."""
    start = result.timeline.start + round(seconds * NANOSECONDS)
    timeline = replace(result.timeline, start=start)
    return observed(asked, replace(result, target=asked.target.name, timeline=timeline), occasion)


def failed(
    reason: FailureReason = FailureReason.SERVER_ERROR, seconds: float = 0.0, **more: object
) -> Observation:
    result = replace(GOOD, failure=Failure(reason, ""), **more)  # type: ignore[arg-type]
    return observation(result, seconds=seconds)


def confirmation(*plans: Plan) -> tuple[Confirmation, list[Mapping[str, float]]]:
    told: list[Mapping[str, float]] = []
    made = Confirmation(lambda _plan, evidence: told.append(evidence))
    made.apply(newly(plans or [ASKED]))
    return made, told


# Evidence.


def test_nothing_is_known_before_the_past_is() -> None:
    assert math.isnan(slowness(*times(44)).value)
    assert slowness(*times(50)).value < DOUBT


@pytest.mark.parametrize(("factor", "at_most"), [(1.5, 14), (2.0, 6)])
def test_slower_answers_are_evidence(factor: float, at_most: int) -> None:
    evidence, probes = slowness(*times(300)), 0
    for one in times(40, seed=2, factor=factor):
        probes += evidence.value < LIMIT
        evidence.take(one, scheduled=True)
    assert 4 <= probes <= at_most, "no fewer than four probes say so"


def test_chance_is_hardly_ever_evidence() -> None:
    evidence, reached = slowness(*times(300)), 0
    for one in times(3000, seed=3):
        evidence.take(one, scheduled=True)
        reached += evidence.value == LIMIT
    assert reached == 0


def test_outliers_that_are_usual_say_little() -> None:
    random = Random(4)
    spiky = [one * (4 if random.random() < 0.12 else 1) for one in times(400)]
    used_to_it, steady = slowness(*spiky), slowness(*times(400))
    for evidence in (used_to_it, steady):
        evidence.take(0.4, scheduled=True)
        evidence.take(1.6, scheduled=True)
    assert used_to_it.value < DOUBT <= steady.value


def test_one_failure_is_a_doubt_and_four_are_certain() -> None:
    evidence = FailureEvidence()
    evidence.take(True, scheduled=True)
    assert DOUBT <= evidence.value < LIMIT
    for _ in range(3):
        evidence.take(True, scheduled=False)
    assert evidence.value == LIMIT
    evidence.take(False, scheduled=True)
    assert evidence.value < LIMIT, "what ends is soon seen to end"


def test_failures_that_are_usual_are_no_news() -> None:
    evidence = FailureEvidence()
    for number in range(480):
        evidence.take(number % 4 == 0, scheduled=True)
    for _ in range(4):
        evidence.take(True, scheduled=True)
    assert evidence.value < LIMIT


# Which targets get confirming probes.


def test_a_failure_is_asked_about_again_until_it_is_refuted() -> None:
    asking, told = confirmation()
    assert asking.take(observation()) is None
    assert asking.take(failed()) == 5.0
    assert told[-1]["success"] >= DOUBT
    assert asking.take(observation(occasion=CONFIRMING)) is None, "a blip, known as one"
    assert told[-1]["success"] < DOUBT


def test_what_is_certain_is_asked_about_no_more() -> None:
    asking, told = confirmation()
    pauses = [asking.take(failed(seconds=5 * number)) for number in range(10)]
    assert pauses == [5.0] * 7 + [None] * 3
    assert told[-1]["success"] == LIMIT


def test_failures_of_some_seconds_are_a_blip() -> None:
    asking, told = confirmation()
    for number in range(600):
        asking.take(observation(seconds=60 * number))
    for second in (0, 5, 10, 15):
        assert asking.take(failed(seconds=36_000 + second)) == 5.0
    assert told[-1]["success"] < LIMIT
    asking.take(failed(seconds=36_020))
    assert told[-1]["success"] == LIMIT


@pytest.mark.parametrize(
    "never",
    [
        pytest.param(failed(FailureReason.AUTH), id="asking again cannot mend it"),
        pytest.param(failed(FailureReason.RATE_LIMITED), id="asked for less"),
        pytest.param(failed(FailureReason.NOT_READY), id="a cold model"),
        pytest.param(failed(interrupted=True), id="the exporter's own fault"),
        pytest.param(
            observation(replace(GOOD, failure=BROKEN), asked=replace(plan(), confirm=False)),
            id="turned off",
        ),
    ],
)
def test_what_is_never_asked_about_again(never: Observation) -> None:
    asking, _ = confirmation(never.plan)
    assert asking.take(never) is None


@pytest.mark.parametrize(
    "between",
    [failed(FailureReason.NOT_READY, 5), failed(seconds=5, interrupted=True)],
    ids=["a cold model", "the exporter's own fault"],
)
def test_a_doubt_after_something_else_is_a_new_inquiry(between: Observation) -> None:
    """The limit of an inquiry counts its own time, not that in which a model booted."""
    asking, _ = confirmation()
    assert asking.take(failed(seconds=1)) == 5.0
    assert asking.take(between) is None
    assert asking.take(failed(seconds=900)) == 5.0


@pytest.mark.parametrize(
    ("interval", "pause"), [(5, None), (9.9, None), (10, 5), (60, 5), (120, 10), (3600, 300)]
)
def test_the_pause_follows_the_interval(interval: float, pause: float | None) -> None:
    assert pause_seconds(replace(ASKED, interval_seconds=interval)) == pause


def test_a_long_bad_day_costs_no_more_than_a_share_of_the_scheduled_probes() -> None:
    asking, _ = confirmation()
    scheduled, confirming, after = 2000, 0, Random(5)
    for _ in range(scheduled):
        pause = asking.take(failed() if after.random() < 0.3 else observation())
        while pause is not None:
            confirming += 1
            shaky = failed() if after.random() < 0.3 else observation()
            pause = asking.take(replace(shaky, occasion=CONFIRMING))
    assert 0 < confirming <= SAVED + SHARE * scheduled


def test_when_everything_fails_only_some_are_asked_about() -> None:
    plans = [replace(plan(f"t{number}"), confirm=True) for number in range(20)]
    asking, _ = confirmation(*plans)
    failing = [observation(replace(GOOD, failure=BROKEN), asked=one) for one in plans]
    assert sum(asking.take(one) is not None for one in failing) == 3


def test_another_model_begins_without_evidence() -> None:
    plans, other = Plans(), replace(plan(model="other"), confirm=True)
    asking = Confirmation(lambda _plan, _evidence: None)
    asking.apply(plans.become([ASKED]))
    for _ in range(5):
        asking.take(failed())
    asking.apply(plans.become([other]))
    assert asking.take(failed()) is None, "of the old one, which came late"
    assert asking.take(observation(replace(GOOD, failure=BROKEN), asked=other)) == 5.0


# Where they count.


def test_a_confirming_probe_counts_only_in_what_is_its_own() -> None:
    metrics = ToldMetrics()
    slo = {"success_ratio": 0.99, "time_to_first_token": {"threshold": "1s", "ratio": 0.9}}
    asked = plan(slo=slo, price={"input": 1, "output": 2})
    metrics.take([asked])
    metrics.tell(GOOD)
    before = dict(_values(metrics))
    for result in (replace(GOOD, finished_at=GOOD.finished_at + 5), replace(GOOD, failure=BROKEN)):
        metrics.observe(observed(asked, result, CONFIRMING))
    after = dict(_values(metrics))
    assert {series[0] for series in after if after[series] != before.get(series)} == {
        "inference_confirmations_total",
        "inference_cost_usd_total",
        "inference_tokens_total",
    }
    assert value(metrics, "inference_confirmations_total", outcome="failure") == 1


def _values(metrics: ToldMetrics) -> list[tuple[tuple[str, str], str]]:
    return [
        ((name, str(labels)), str(number))
        for name, labels, number in samples(metrics.everything())
        if "target" in labels
    ]


# The schedule.


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses. They only spare providers, and the tests' own servers don't need that."""
    monkeypatch.setattr("exporter.probing.confirmation._SHORTEST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr("exporter.probing.confirmation._PAUSES_PER_INTERVAL", 1200)


def confirmed(server: WireServer, interval_seconds: float = 4.0) -> Plan:
    return replace(plan_for(server, interval_seconds=interval_seconds), confirm=True)


@pytest.mark.usefixtures("quickly")
async def test_an_outage_is_certain_before_scheduled_probes_alone_could_say_so() -> None:
    def evidence() -> float:
        return run.value("inference_change_evidence", measure="success")

    with wire_server([response(500, b"{}")]) as server:
        async with running(confirmed(server)) as run:
            await until(lambda: evidence() == LIMIT)
            scheduled = run.value("inference_probes_total")
    assert scheduled < 4
    assert run.value("inference_confirmations_total", outcome="failure") >= 1


@pytest.mark.usefixtures("quickly")
async def test_who_asks_to_be_left_alone_is_not_asked_again() -> None:
    with wire_server([response(500, b"{}", b"retry-after: 60")]) as server:
        async with running(confirmed(server)) as run:
            await until(lambda: run.results)
            await asyncio.sleep(0.4)
    assert len(server.requests) == 1
    assert run.value("inference_change_evidence", measure="success") >= DOUBT


@pytest.mark.usefixtures("quickly")
async def test_a_removed_plan_is_asked_no_more() -> None:
    with wire_server([response(500, b"{}")]) as server:
        async with running(confirmed(server)) as run:
            await until(lambda: run.results)
            run.apply()
            asked = len(server.requests)
            await asyncio.sleep(0.5)
    assert len(server.requests) <= asked + 1, "one may have been under way"


@pytest.mark.usefixtures("quickly")
async def test_a_scheduled_probe_waits_for_a_confirming_one_and_is_not_skipped() -> None:
    def begun() -> float:
        return run.value("inference_exporter_schedule_delay_seconds_count")

    def skipped() -> float:
        return run.value("inference_probes_skipped_total", reason="overlap")

    may_answer = threading.Event()
    failed = response(500, b"{}")
    with wire_server([failed], [may_answer, failed]) as server:
        async with running(confirmed(server, interval_seconds=2.0)) as run:
            await until(lambda: len(server.requests) == 2)
            before = skipped()
            await until(lambda: begun() >= 2)
            assert skipped() == before
            may_answer.set()
            await until(lambda: run.value("inference_probes_total") >= 2)
    assert run.value("inference_confirmations_total") >= 1
