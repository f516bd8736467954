"""Every sign of a cold model, measured against the simulator's script."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exporter.cold.starts import groups_of
from exporter.coldness import ColdSignal
from exporter.config.root import Config
from exporter.result import NANOSECONDS, FailureReason
from exporter.simulator import Boot, Script, Sign, Simulator, faults
from exporter.simulator.steps import Error, ErrorKind
from tests.cold.rig import Rig, plans_of, rig, target
from tests.waiting import timed, until

LOADING_SECONDS = 0.8
IDLE_SECONDS = 0.3
RETRY_SECONDS = 0.15
FIRST_TOKEN_SECONDS = 0.05
SLACK_SECONDS = 0.15
"""How long an attempt itself, and a late wake-up on a busy machine, can take."""
NOT_READY = faults.ErrorResponse(Error(ErrorKind.NOT_READY, "Loading model"))
WRONG_KEY = faults.ErrorResponse(Error(ErrorKind.INVALID_KEY, "No."))
NOT_READY_SINCE = "inference_not_ready_since_timestamp_seconds"


def cold_start(**settings: Any) -> dict[str, Any]:
    """Return settings with which no idle period starts during a test."""
    return {"idle": "30d", "retry": f"{RETRY_SECONDS}s", "limit": "5s", **settings}


@dataclass(frozen=True)
class Case:
    sign: Sign
    signal: ColdSignal
    retried: bool
    provider: str = "openai"


CASES = [
    Case(Sign.NOT_READY, ColdSignal.NOT_READY, retried=True),
    Case(Sign.NOT_READY, ColdSignal.NOT_READY, retried=True, provider="bedrock"),
    Case(Sign.BAD_GATEWAY, ColdSignal.GATEWAY, retried=True),
    Case(Sign.UNAVAILABLE, ColdSignal.GATEWAY, retried=True),
    Case(Sign.HELD, ColdSignal.SLOW, retried=False),
    Case(Sign.HELD, ColdSignal.SLOW, retried=False, provider="vllm"),
    Case(Sign.HELD, ColdSignal.LOAD_TIME, retried=False, provider="ollama"),
    Case(Sign.SILENT, ColdSignal.SLOW, retried=False),
]


def script_with(boot: Boot | None = None) -> Script:
    return Script(first_token_seconds=FIRST_TOKEN_SECONDS, token_gap_seconds=0.0, boot=boot)


@pytest.fixture
def key(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "key"
    path.write_text("sk-simulated")
    return {"file": str(path)}


def assert_no_failure(run: Rig) -> None:
    assert all(result.success for result in run.results)
    for reason in FailureReason:
        assert run.value("inference_probe_failures_total", reason=reason) == 0


@timed
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.provider}-{case.sign}")
async def test_a_cold_start_takes_as_long_as_the_script_says(
    case: Case, key: dict[str, str]
) -> None:
    async with Simulator({"m": script_with()}) as simulator:
        (plan,) = plans_of(
            target(simulator, provider=case.provider, api_key=key, cold_start=cold_start())
        )
        async with rig(plan) as run:
            for _ in range(4):
                await run.cold.probe(plan)
            asked = len(simulator.ledger)
            await asyncio.sleep(LOADING_SECONDS + IDLE_SECONDS + 0.1)
            boot = Boot(LOADING_SECONDS, IDLE_SECONDS, case.sign)
            simulator.scripts["m"] = script_with(boot)

            result = await run.probe_cold(plan)

            attempts = [served for served in simulator.ledger[asked:] if served.model]
            assert_no_failure(run)
            assert run.count("inference_time_to_first_token_seconds") == 4
            latest = run.value("inference_last_probe_time_to_first_token_seconds")
            assert latest == pytest.approx(FIRST_TOKEN_SECONDS, abs=0.05)
            assert run.count("inference_cold_start_duration_seconds") == 1
            assert run.count("inference_cold_start_penalty_seconds") == 1
            assert run.value("inference_cold_starts_total", signal=case.signal) == 1
            assert run.value("inference_cold_start_attempts_total") == len(attempts)
    assert result.cold is not None
    assert result.cold.attempts == len(attempts)
    assert (len(attempts) > 1) is case.retried
    assert len(attempts) <= LOADING_SECONDS / RETRY_SECONDS + 2
    duration, scripted = result.cold.duration_seconds, LOADING_SECONDS + FIRST_TOKEN_SECONDS
    assert duration is not None
    error = duration - scripted
    assert -0.02 < error < SLACK_SECONDS + (RETRY_SECONDS if case.retried else 0.0)
    assert result.cold.penalty_seconds == pytest.approx(duration - FIRST_TOKEN_SECONDS, abs=0.05)


@timed
async def test_a_server_that_is_not_there_yet_is_a_cold_start() -> None:
    script = Script(first_token_seconds=FIRST_TOKEN_SECONDS, token_gap_seconds=0.0)
    async with Simulator({"m": script}, listen_after_seconds=LOADING_SECONDS) as simulator:
        (plan,) = plans_of(target(simulator, cold_start=cold_start()))
        async with rig(plan) as run:
            result = await run.probe_cold(plan)
            assert_no_failure(run)
            assert len(simulator.ledger) == 1, "refused connections cost the server nothing"
    assert result.cold is not None
    assert result.cold.signal is ColdSignal.REFUSED
    assert result.cold.duration_seconds is not None
    error = result.cold.duration_seconds - LOADING_SECONDS - FIRST_TOKEN_SECONDS
    assert -0.05 < error < RETRY_SECONDS + SLACK_SECONDS


@timed
async def test_a_model_that_was_not_unloaded_is_reported_as_warm() -> None:
    async with Simulator({"m": Script(token_gap_seconds=0.0)}) as simulator:
        (plan,) = plans_of(target(simulator, cold_start=cold_start()))
        async with rig(plan) as run:
            for _ in range(4):
                await run.cold.probe(plan)
            result = await run.probe_cold(plan)
            assert run.count("inference_time_to_first_token_seconds") == 4
    assert result.cold is not None
    assert (result.cold.signal, result.cold.attempts) == (ColdSignal.NONE, 1)
    assert result.cold.penalty_seconds == pytest.approx(0, abs=0.05)


@timed
async def test_a_model_that_never_gets_ready_is_not_ready_and_an_alert() -> None:
    boot = Boot(60, sign=Sign.BAD_GATEWAY)
    async with Simulator({"m": script_with(boot)}) as simulator:
        (plan,) = plans_of(target(simulator, cold_start=cold_start(limit="500ms")))
        async with rig(plan) as run:
            result = (await run.probe_cold(plan)).result
            since = run.value(NOT_READY_SINCE)
            assert run.value("inference_not_ready_limit_seconds") == 0.5
            assert run.value("inference_probe_failures_total", reason="not_ready") == 1
            assert run.value("inference_probe_failures_total", reason="server_error") == 0
            assert run.value("inference_cold_starts_total") == 0
    assert result.failure is not None
    assert result.failure.reason is FailureReason.NOT_READY
    assert result.failure.status == 502
    assert result.finished_at - since == pytest.approx(0.5, abs=2 * RETRY_SECONDS)


@timed
async def test_a_request_that_is_held_for_too_long_is_not_ready() -> None:
    boot = Boot(60, sign=Sign.HELD)
    async with Simulator({"m": script_with(boot)}) as simulator:
        fields = target(simulator, cold_start=cold_start(limit="400ms"), timeout="200ms")
        (plan,) = plans_of(fields)
        async with rig(plan) as run:
            result = (await run.probe_cold(plan)).result
            assert run.value(NOT_READY_SINCE) > 0
            assert len(simulator.ledger) <= 1
    assert result.failure is not None
    assert result.failure.reason is FailureReason.NOT_READY
    assert "0.4 s" in result.failure.detail


async def test_any_other_failure_ends_a_cold_probe_as_what_it_is() -> None:
    async with Simulator({"m": Script(fault=WRONG_KEY)}) as simulator:
        (plan,) = plans_of(target(simulator, cold_start=cold_start()))
        async with rig(plan) as run:
            result = (await run.probe_cold(plan)).result
            assert len(simulator.ledger) == 1
    assert result.failure is not None
    assert result.failure.reason is FailureReason.AUTH


async def test_the_time_since_when_a_model_is_not_ready_follows_the_system_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine without a battery starts with an old time, and sets it while a model loads."""
    step, clock = 30 * 86_400.0, time.time
    async with Simulator({"m": Script(fault=NOT_READY)}) as simulator:
        (plan,) = plans_of(target(simulator))
        async with rig(plan) as run:
            await run.cold.probe(plan)
            since = run.value(NOT_READY_SINCE)
            with monkeypatch.context() as patch:
                patch.setattr(time, "time", lambda: clock() + step)
                run.cold.realign()
            assert run.value(NOT_READY_SINCE) - since == pytest.approx(step, abs=60)


async def test_a_cold_probe_that_fails_otherwise_leaves_no_model_not_ready() -> None:
    async with Simulator({"m": Script(fault=NOT_READY)}) as simulator:
        (plan,) = plans_of(target(simulator, cold_start=cold_start()))
        async with rig(plan) as run:
            probing = asyncio.create_task(run.probe_cold(plan))
            await until(lambda: run.value(NOT_READY_SINCE) > 0)
            simulator.scripts["m"] = Script(fault=WRONG_KEY)
            failure = (await probing).result.failure
            assert math.isnan(run.value(NOT_READY_SINCE))
    assert failure is not None
    assert failure.reason is FailureReason.AUTH


async def test_nobody_waits_for_a_model_that_was_late_and_then_failed_otherwise() -> None:
    async with Simulator({"m": Script(fault=NOT_READY)}) as simulator:
        (plan,) = plans_of(target(simulator, cold_start=cold_start(limit="200ms")))
        async with rig(plan) as run:
            await run.probe_cold(plan)
            assert run.value(NOT_READY_SINCE) > 0
            simulator.scripts["m"] = Script(fault=WRONG_KEY)
            await run.cold.probe(plan)
            assert math.isnan(run.value(NOT_READY_SINCE))


async def test_a_provider_may_say_when_to_ask_again() -> None:
    later = faults.ErrorResponse(Error(ErrorKind.NOT_READY, "Loading model", 0.6))
    async with Simulator({"m": Script(fault=later)}) as simulator:
        (plan,) = plans_of(target(simulator, cold_start=cold_start()))
        async with rig(plan) as run:
            probing = asyncio.create_task(run.probe_cold(plan))
            await until(lambda: simulator.ledger)
            simulator.scripts["m"] = Script()
            assert (await probing).result.success
            first, second = simulator.ledger
    assert (second.received_ns - first.ended_ns) / NANOSECONDS >= 0.55


async def test_a_model_found_not_ready_by_chance_is_a_cold_start_too() -> None:
    """The failures count, because the exporter didn't expect a cold start."""
    async with Simulator({"m": script_with(Boot(3600))}) as simulator:
        (plan,) = plans_of(target(simulator), interval="200ms")
        async with rig(plan) as run:
            await until(lambda: len(run.results) >= 3)
            assert run.value(NOT_READY_SINCE) > 0
            simulator.scripts["m"] = script_with()
            await until(lambda: run.count("inference_time_to_first_token_seconds") > 0)
            failures = run.value("inference_probe_failures_total", reason="not_ready")
            warm = run.count("inference_time_to_first_token_seconds")
            assert run.value("inference_cold_starts_total", signal="not_ready") == 1
            assert run.value("inference_cold_start_attempts_total") == failures + 1
            (cold,) = (told for told in run.observations if told.cold)
            # On a busy machine, some times are uncertain.
            answers = [told for told in run.observations if told.result.success and told.certain]
            assert warm == len([told for told in answers if not told.cold]) > 0
    begun, ended = run.results[0].timeline.sent, cold.result.timeline.first_token
    assert begun is not None
    assert ended is not None
    assert cold.cold is not None
    assert cold.cold.duration_seconds == pytest.approx((ended - begun) / NANOSECONDS)


async def test_a_cold_probe_measures_all_of_a_cold_start_that_a_scheduled_probe_found() -> None:
    """Otherwise, the warm probe behind it would end a cold start that includes the idle period."""
    async with Simulator({"m": Script(fault=NOT_READY)}) as simulator:
        (plan,) = plans_of(target(simulator, cold_start=cold_start()))
        async with rig(plan) as run:
            found = await run.cold.probe(plan)
            simulator.scripts["m"] = script_with()
            cold = await run.probe_cold(plan)
            warm = await run.cold.probe(plan)
    assert found.result.failure is not None
    assert found.result.failure.reason is FailureReason.NOT_READY
    assert cold.cold is not None
    assert (cold.result.success, warm.result.success) == (True, True)
    assert warm.cold is None


@timed
async def test_a_probe_of_two_requests_is_no_cold_probe() -> None:
    """Its second request, which is measured, meets a warm model."""
    async with Simulator({"m": script_with(Boot(LOADING_SECONDS, sign=Sign.HELD))}) as simulator:
        probes = {"cache": {"kind": "cached_prefix", "prefix_tokens": 64}, "short": {"prompt": "x"}}
        cold = target(simulator, probes=["cache", "short"], cold_start=cold_start())
        defaults = {"interval": "1h", "timeout": "5s"}
        config = {"defaults": defaults, "probes": probes, "targets": [cold]}
        plans = Config.model_validate(config).plans()
        (group,) = groups_of(plans).values()
        async with rig(*plans) as run:
            observation = await run.probe_cold(group.turn(due=0.0))
    assert observation.cold is not None
    assert observation.cold.duration_seconds is not None
    assert observation.cold.duration_seconds > LOADING_SECONDS / 2
