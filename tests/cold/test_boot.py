"""A server boots while the exporter watches: every phase against the simulator's script."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import replace
from typing import Any

import pytest

from exporter.coldness import BootPhase, ColdSignal
from exporter.config.root import Config
from exporter.net.sockets import sockets
from exporter.result import FailureReason
from exporter.simulator import Boot, Script, Simulator, faults
from exporter.simulator.steps import Error, ErrorKind
from tests.cold.rig import Rig, plans_of, rig, target
from tests.process import free_port
from tests.waiting import timed, until

FIRST_TOKEN_SECONDS = 0.1
POLL_SECONDS = 0.1
WATCHED = {"provider": "vllm", "boot": {"poll": f"{POLL_SECONDS}s"}}


READY = Script(first_token_seconds=FIRST_TOKEN_SECONDS, token_gap_seconds=0.0)
LOADING = replace(READY, boot=Boot(3600))


def down(script: Script = LOADING) -> Simulator:
    """Return a server that listens as soon as the test starts it. Until then, nobody does."""
    return Simulator({"m": script}, port=free_port())


def phase(run: Rig, name: BootPhase) -> float:
    return run.value("inference_boot_phase_duration_seconds", phase=name)


def boots(run: Rig) -> bool:
    return run.value("inference_not_ready_since_timestamp_seconds") > 0


def booted(run: Rig) -> bool:
    return phase(run, BootPhase.FIRST_TOKEN) > 0


async def next_warm_answer(run: Rig) -> None:
    seen = run.count("inference_time_to_first_token_seconds")
    await until(lambda: run.count("inference_time_to_first_token_seconds") > seen)


async def assert_phases_are_those_of_a_boot(
    run: Rig, simulator: Simulator, down_since: float
) -> None:
    """Boot the server step by step. Each phase must last as long as its steps did."""
    await until(lambda: boots(run))
    seen_down, listened = time.monotonic(), time.monotonic()
    await simulator.__aenter__()
    await until(lambda: phase(run, BootPhase.LISTENING) > 0)
    seen_listening, loaded = time.monotonic(), time.monotonic()
    simulator.scripts["m"] = READY
    await until(lambda: booted(run))
    seen_ready = time.monotonic()
    steps = {
        BootPhase.LISTENING: (listened, seen_listening),
        BootPhase.HEALTHY: (loaded, seen_ready),
        BootPhase.MODEL_LISTED: (loaded, seen_ready),
        BootPhase.FIRST_TOKEN: (loaded + FIRST_TOKEN_SECONDS, seen_ready),
    }
    for name, (earliest, latest) in steps.items():
        assert earliest - seen_down <= phase(run, name) <= latest - down_since, name
    assert sorted(steps, key=lambda name: phase(run, name)) == list(steps)


@pytest.mark.parametrize(
    "fields", [WATCHED, {"provider": "openai", "boot": {"poll": "100ms"}}], ids=["vllm", "openai"]
)
async def test_the_phases_of_a_boot_and_of_the_next_one(fields: dict[str, Any]) -> None:
    simulator, down_since = down(), time.monotonic()
    (plan,) = plans_of(target(simulator, **fields), interval="300ms")
    async with rig(plan) as run:
        for number in (1, 2):
            await assert_phases_are_those_of_a_boot(run, simulator, down_since)
            assert run.value("inference_cold_starts_total", signal="boot") == number
            assert not boots(run)
            await next_warm_answer(run)
            simulator.scripts["m"], down_since = LOADING, time.monotonic()
            await simulator.__aexit__(None, None, None)
            await until(lambda: not booted(run))
            assert boots(run)
    failed = {result.failure.reason for result in run.results if result.failure}
    assert FailureReason.NOT_READY in failed
    assert failed <= {FailureReason.NOT_READY, FailureReason.TRUNCATED}, "cut off by the restart"


async def test_the_answer_that_ends_a_boot_is_cold_and_the_next_one_warm() -> None:
    simulator = down()
    (plan,) = plans_of(target(simulator, **WATCHED))
    async with rig(plan) as run:
        await until(lambda: boots(run))
        async with simulator:
            await until(lambda: phase(run, BootPhase.LISTENING) > 0)
            simulator.scripts["m"] = READY
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


@pytest.mark.parametrize(
    ("retry_after_seconds", "limit"), [(60.0, "15m"), (None, "500ms")], ids=["asked", "limit"]
)
async def test_a_boot_that_goes_on_costs_few_requests(
    retry_after_seconds: float | None, limit: str
) -> None:
    loading = Error(ErrorKind.NOT_READY, "Loading model", retry_after_seconds)
    script = Script(fault=faults.ErrorResponse(loading))
    settings, simulator = {"poll": "100ms", "limit": limit}, down(script)
    (plan,) = plans_of(target(simulator, provider="vllm", boot=settings))
    async with rig(plan) as run:
        await until(lambda: boots(run))
        async with simulator:
            await until(lambda: phase(run, BootPhase.MODEL_LISTED) > 0)
            await asyncio.sleep(1.0)
            before = len(run.waiting)
            await asyncio.sleep(0.5)
            assert len(run.waiting) == before, "each probe that finds it not ready says so"


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
    simulator = down(replace(READY, fault=wrong_key))
    (plan,) = plans_of(target(simulator, **WATCHED))
    async with rig(plan) as run:
        await until(lambda: boots(run))
        async with simulator:
            await until(lambda: run.results)
            await asyncio.sleep(5 * POLL_SECONDS)
            assert len(run.results) == 1, "what is wrong is asked for once, not at every poll"
            assert phase(run, BootPhase.MODEL_LISTED) > 0
            assert math.isnan(phase(run, BootPhase.FIRST_TOKEN))
            assert math.isnan(run.value("inference_not_ready_since_timestamp_seconds"))
    assert run.results[0].failure is not None
    assert run.results[0].failure.reason is FailureReason.AUTH


async def test_a_list_of_models_is_no_first_token() -> None:
    simulator = down()
    watched = target(simulator, **WATCHED, probes=["short", "list"])
    probes = {"short": {"prompt": "x"}, "list": {"kind": "models"}}
    config = {"defaults": {"interval": "1h"}, "probes": probes, "targets": [watched]}
    short, listing = Config.model_validate(config).plans()
    async with rig(short, listing) as run:
        await until(lambda: boots(run))
        simulator.scripts["m"] = replace(READY, first_token_seconds=3600.0)
        async with simulator:
            await until(lambda: phase(run, BootPhase.MODEL_LISTED) > 0)
            listed = await run.cold.probe(listing)
            assert (listed.result.success, listed.cold) == (True, None)
            assert boots(run)
            assert not booted(run)


@timed
async def test_a_boot_goes_on_if_the_exporter_interrupts_its_probe() -> None:
    simulator = down()
    defaults = {"interval": "1h", "timeouts": {"stall": "1s"}}
    config = {"defaults": defaults, "targets": [target(simulator, **WATCHED)]}
    (plan,) = Config.model_validate(config).plans()
    async with rig(plan) as run:
        await until(lambda: boots(run))
        simulator.scripts["m"] = Script(first_token_seconds=0.0, token_gap_seconds=3600.0)
        async with simulator:
            await until(lambda: run.prober.in_flight)
            await asyncio.sleep(0.3)
            simulator.scripts["m"] = READY
            time.sleep(1.5)  # noqa: ASYNC251 - as if it was stopped
            await until(lambda: run.results)
            assert run.results[0].interrupted
            await until(lambda: booted(run))


async def test_a_boot_goes_on_over_a_reload() -> None:
    simulator = down()
    (plan,) = plans_of(target(simulator, **WATCHED))
    (changed,) = plans_of(target(simulator, **WATCHED), interval="2h")
    async with rig(plan) as run:
        await until(lambda: boots(run))
        seen_down = time.monotonic()
        await asyncio.sleep(0.5)
        run.apply(changed)
        listened = time.monotonic()
        async with simulator:
            simulator.scripts["m"] = READY
            await until(lambda: booted(run))
            assert phase(run, BootPhase.LISTENING) >= listened - seen_down


async def test_the_server_is_not_looked_at_while_it_is_left_alone() -> None:
    cold_start = {"idle": "800ms", "every": "2s"}
    async with Simulator({"m": Script(token_gap_seconds=0.0)}) as simulator:
        (plan,) = plans_of(target(simulator, **WATCHED, cold_start=cold_start))
        async with rig(plan) as run:
            await until(lambda: run.results)
            (asked, *_) = (served for served in simulator.ledger if served.model)
            looks = [
                served
                for served in simulator.ledger
                if run.rested_ns < served.received_ns < asked.received_ns
            ]
            assert len(looks) <= 1, "one may have been under way"
            seen = len(simulator.ledger)
            await until(lambda: len(simulator.ledger) > seen + 4)
