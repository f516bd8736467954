"""A server boots while the exporter watches: every phase against the simulator's script."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from exporter.coldness import BootPhase, ColdSignal
from exporter.net.sockets import sockets
from exporter.result import FailureReason
from exporter.simulator import Boot, Script, Simulator, faults
from exporter.simulator.steps import Error, ErrorKind
from tests.cold.rig import Rig, plans_of, rig, target
from tests.waiting import timed, until

LISTENING_SECONDS = 0.5
READY_SECONDS = 1.0
FIRST_TOKEN_SECONDS = 0.1
POLL_SECONDS = 0.1
SLACK_SECONDS = 1.0
"""How long one request to a page can take on a busy machine."""
WATCHED = {"provider": "vllm", "boot": {"poll": f"{POLL_SECONDS}s"}}


def booting(**script: Any) -> Simulator:
    answers = Script(
        first_token_seconds=FIRST_TOKEN_SECONDS,
        token_gap_seconds=0.0,
        boot=Boot(READY_SECONDS),
        **script,
    )
    return Simulator({"m": answers}, listen_after_seconds=LISTENING_SECONDS)


def phase(run: Rig, name: BootPhase) -> float:
    return run.value("inference_boot_phase_duration_seconds", phase=name)


def booted(run: Rig) -> bool:
    return phase(run, BootPhase.FIRST_TOKEN) > 0


async def next_warm_answer(run: Rig) -> None:
    seen = run.count("inference_time_to_first_token_seconds")
    await until(lambda: run.count("inference_time_to_first_token_seconds") > seen)


def assert_phases_follow_the_script(run: Rig) -> None:
    scripted = {
        BootPhase.LISTENING: LISTENING_SECONDS,
        BootPhase.HEALTHY: READY_SECONDS,
        BootPhase.MODEL_LISTED: READY_SECONDS,
        BootPhase.FIRST_TOKEN: READY_SECONDS + FIRST_TOKEN_SECONDS,
    }
    for name, seconds in scripted.items():
        error = phase(run, name) - seconds
        assert -POLL_SECONDS < error < POLL_SECONDS + SLACK_SECONDS, f"{name}: {error}"
    assert sorted(scripted, key=lambda name: phase(run, name)) == list(scripted)


@pytest.mark.parametrize(
    "fields", [WATCHED, {"provider": "openai", "boot": {"poll": "100ms"}}], ids=["vllm", "openai"]
)
async def test_the_phases_of_a_boot_and_of_the_next_one(fields: dict[str, Any]) -> None:
    async with booting() as simulator:
        (plan,) = plans_of(target(simulator, **fields), interval="300ms")
        async with rig(plan) as run:
            for boots in (1, 2):
                await until(lambda: booted(run))
                assert_phases_follow_the_script(run)
                assert run.value("inference_cold_starts_total", signal="boot") == boots
                assert math.isnan(run.value("inference_not_ready_since_timestamp_seconds"))
                await next_warm_answer(run)
                await simulator.restart()
                await until(lambda: not booted(run))
                assert run.value("inference_not_ready_since_timestamp_seconds") > 0
    failed = {result.failure.reason for result in run.results if result.failure}
    assert FailureReason.NOT_READY in failed
    assert failed <= {FailureReason.NOT_READY, FailureReason.TRUNCATED}, "cut off by the restart"


async def test_the_answer_that_ends_a_boot_is_cold_and_the_next_one_warm() -> None:
    async with booting() as simulator:
        (plan,) = plans_of(target(simulator, **WATCHED))
        async with rig(plan) as run:
            await until(lambda: booted(run))
            assert run.count("inference_time_to_first_token_seconds") == 0
            await run.cold.probe(plan)
            assert run.count("inference_time_to_first_token_seconds") == 1
            served = [request for request in simulator.ledger if request.model]
    first, second = run.observations
    assert first.cold is not None
    assert (first.cold.signal, second.cold) == (ColdSignal.BOOT, None)
    assert len(served) == 2, "a boot costs one request to the model"


async def test_a_server_that_was_up_before_has_no_boot() -> None:
    async with Simulator({"m": Script(token_gap_seconds=0.0)}) as simulator:
        (plan,) = plans_of(target(simulator, **WATCHED))
        async with rig(plan) as run:
            await asyncio.sleep(4 * POLL_SECONDS)
            assert math.isnan(phase(run, BootPhase.LISTENING))
            assert not run.results


@timed
async def test_a_boot_beyond_its_limit_is_a_fault_and_says_since_when() -> None:
    settings = {"poll": "100ms", "limit": "600ms"}
    async with Simulator({"m": Script()}, listen_after_seconds=60) as simulator:
        (plan,) = plans_of(target(simulator, provider="vllm", boot=settings), interval="200ms")
        async with rig(plan) as run:
            await until(lambda: run.value("inference_probe_failures_total", reason="connect") > 0)
            since = run.value("inference_not_ready_since_timestamp_seconds")
            assert run.value("inference_not_ready_limit_seconds") == 0.6
    (*early, last) = run.results
    assert {result.failure.reason for result in early if result.failure} == {
        FailureReason.NOT_READY
    }
    assert last.finished_at - since == pytest.approx(0.7, abs=0.3)


async def test_an_exporter_without_file_descriptors_sees_no_boot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Simulator({"m": Script(token_gap_seconds=0.0)}) as simulator:
        (plan,) = plans_of(target(simulator, **WATCHED))
        monkeypatch.setattr(sockets, "limit", 0)
        async with rig(plan) as run:
            await asyncio.sleep(3 * POLL_SECONDS)
            monkeypatch.setattr(sockets, "limit", None)
            await asyncio.sleep(3 * POLL_SECONDS)
            assert not run.waiting
            assert math.isnan(phase(run, BootPhase.LISTENING))


async def test_an_error_of_a_server_that_is_up_is_no_boot() -> None:
    """A healthy server returns 503 for its own reasons: too many requests, not too few engines."""
    overloaded = faults.ErrorResponse(Error(ErrorKind.OVERLOADED, "Try later."))
    async with Simulator({"m": Script(fault=overloaded)}) as simulator:
        (plan,) = plans_of(target(simulator, **WATCHED))
        async with rig(plan) as run:
            result = (await run.cold.probe(plan)).result
            assert math.isnan(run.value("inference_not_ready_since_timestamp_seconds"))
    assert result.failure is not None
    assert result.failure.reason is FailureReason.OVERLOADED


async def test_a_server_that_is_up_but_refuses_us_has_booted() -> None:
    wrong_key = faults.ErrorResponse(Error(ErrorKind.INVALID_KEY, "No."))
    async with booting(fault=wrong_key) as simulator:
        (plan,) = plans_of(target(simulator, **WATCHED))
        async with rig(plan) as run:
            await until(lambda: run.results)
            await asyncio.sleep(5 * POLL_SECONDS)
            assert len(run.results) == 1, "what is wrong is asked for once, not at every poll"
            assert phase(run, BootPhase.MODEL_LISTED) > 0
            assert math.isnan(phase(run, BootPhase.FIRST_TOKEN))
            assert math.isnan(run.value("inference_not_ready_since_timestamp_seconds"))
    assert run.results[0].failure is not None
    assert run.results[0].failure.reason is FailureReason.AUTH


async def test_the_server_is_not_looked_at_while_it_is_left_alone() -> None:
    cold_start = {"idle": "800ms", "every": "2s"}
    async with Simulator({"m": Script(token_gap_seconds=0.0)}) as simulator:
        (plan,) = plans_of(target(simulator, **WATCHED, cold_start=cold_start))
        async with rig(plan) as run:
            await until(lambda: run.rests)
            await asyncio.sleep(POLL_SECONDS)  # one poll may have been in progress
            left_alone = len(simulator.ledger)
            await until(lambda: run.results)
            asked = [served.path for served in simulator.ledger[left_alone:]]
            assert asked[0].endswith("/chat/completions"), "nobody looked before it was asked cold"
            await until(lambda: len(simulator.ledger) > left_alone + 4)
