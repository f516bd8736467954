"""When a cold start is measured: after an idle period that nothing interrupts, and then warm."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from exporter.cold.starts import groups_of
from exporter.config.plan import Plan
from exporter.config.root import Config
from exporter.result import NANOSECONDS
from exporter.simulator import Boot, Script, Served, Sign, Simulator, faults
from exporter.simulator.steps import Error, ErrorKind
from tests.cold.rig import Rig, config_of, plans_of, rig, target
from tests.waiting import timed, until

pytestmark = pytest.mark.slow

FAST = Script(first_token_seconds=0.01, token_gap_seconds=0.0)
IDLE_SECONDS = 0.8
COLD_START = {"idle": f"{IDLE_SECONDS}s", "every": "2s", "retry": "100ms"}


def idle_periods(ledger: Sequence[Served]) -> list[int]:
    """Return which requests came after an idle period, by their index in the ledger."""
    return [
        number
        for number, (before, after) in enumerate(pairwise(ledger), 1)
        if (after.received_ns - before.ended_ns) / NANOSECONDS >= IDLE_SECONDS
    ]


def cold_results(run: Rig) -> list[str]:
    return [told.result.target for told in run.observations if told.cold]


@timed
async def test_an_idle_period_then_a_cold_probe_and_at_once_a_warm_one() -> None:
    async with Simulator({"m": FAST}) as simulator:
        plans = plans_of(target(simulator, cold_start=COLD_START), interval="200ms")
        async with rig(*plans) as run:
            await until(lambda: len(cold_results(run)) == 2)
            await until(lambda: not run.observations[-1].cold)
            skipped = run.value("inference_probes_skipped_total", reason="cold_start")
            ledger = simulator.ledger
    cold = [number for number, told in enumerate(run.observations) if told.cold]
    assert idle_periods(ledger)[-2:] == cold
    for number in cold:
        assert (ledger[number + 1].received_ns - ledger[number].ended_ns) / NANOSECONDS < 0.15
        assert run.observations[number + 1].cold is None
    assert skipped >= 4
    assert cold[1] - cold[0] >= 4, "between two idle periods, probes are sent as usual"


@timed
async def test_targets_that_share_a_server_are_silent_together_and_take_turns() -> None:
    settings = {**COLD_START, "group": "gpu"}
    async with Simulator({"m": FAST}) as simulator:
        plans = plans_of(
            target(simulator, name="a", cold_start=settings),
            target(simulator, name="b", cold_start=settings),
            interval="200ms",
        )
        async with rig(*plans) as run:
            await until(lambda: len(cold_results(run)) == 2)
            ledger = simulator.ledger
    assert sorted(cold_results(run)) == ["a", "b"]
    after_idle_period = {run.results[number].target for number in idle_periods(ledger)[-2:]}
    assert after_idle_period == {"a", "b"}


async def test_targets_without_a_group_do_not_wait_for_each_other() -> None:
    async with Simulator({"m": FAST}) as simulator:
        plans = plans_of(
            target(simulator, name="a", cold_start=COLD_START),
            target(simulator, name="b"),
            interval="200ms",
        )
        async with rig(*plans) as run:
            await until(lambda: cold_results(run))
            assert (
                not run.value("inference_probes_skipped_total", target="b", reason="cold_start") > 0
            )


@timed
async def test_a_probe_asked_for_by_hand_extends_the_idle_period() -> None:
    async with Simulator({"m": FAST}) as simulator:
        (plan,) = plans_of(target(simulator, cold_start=COLD_START))
        async with rig(plan) as run:
            await until(lambda: run.rests)
            await asyncio.sleep(IDLE_SECONDS / 2)
            await run.cold.probe(plan)
            await until(lambda: cold_results(run))
            by_hand, cold = simulator.ledger[:2]
    assert (cold.received_ns - by_hand.ended_ns) / NANOSECONDS >= IDLE_SECONDS


@timed
async def test_a_probe_asked_for_by_hand_ends_no_idle_period() -> None:
    boot = {"poll": "100ms"}
    async with Simulator({"m": FAST}) as simulator:
        (plan,) = plans_of(target(simulator, cold_start=COLD_START, boot=boot))
        async with rig(plan) as run:
            await until(lambda: run.rests)
            await run.cold.probe(plan)
            assert run.rests
            seen = len(simulator.ledger)
            await asyncio.sleep(IDLE_SECONDS / 2)
            assert len(simulator.ledger) == seen, "the server isn't checked either"


async def test_a_wait_that_the_provider_asked_for_extends_the_idle_period() -> None:
    seconds = 3.0
    limited = faults.ErrorResponse(Error(ErrorKind.RATE_LIMITED, "Slow down.", seconds))
    async with Simulator({"m": Script(fault=limited)}) as simulator:
        (plan,) = plans_of(target(simulator, cold_start=COLD_START))
        async with rig(plan) as run:
            await run.cold.probe(plan)
            simulator.scripts["m"] = FAST
            await until(lambda: cold_results(run))
            refused, cold = simulator.ledger[:2]
    assert (cold.received_ns - refused.ended_ns) / NANOSECONDS >= seconds


@timed
async def test_a_server_that_is_never_left_alone_is_not_measured() -> None:
    settings = {**COLD_START, "every": "1s"}
    async with Simulator({"m": FAST}) as simulator:
        (plan,) = plans_of(target(simulator, cold_start=settings))
        async with rig(plan) as run:
            for _ in range(12):
                await run.cold.probe(plan)
                await asyncio.sleep(0.25)
            assert not cold_results(run)


@timed
async def test_while_a_model_is_started_nobody_else_asks_for_it() -> None:
    boot = Boot(seconds=0.8, idle_seconds=0.5, sign=Sign.HELD)
    async with Simulator({"m": FAST}) as simulator:
        plans = plans_of(target(simulator, cold_start=COLD_START), interval="200ms")
        async with rig(*plans) as run:
            await until(lambda: run.rests)
            simulator.scripts["m"] = Script(
                first_token_seconds=0.01, token_gap_seconds=0.0, boot=boot
            )
            await until(lambda: cold_results(run))
            cold = next(told for told in run.observations if told.cold)
            assert cold.cold is not None
            assert cold.cold.duration_seconds == pytest.approx(0.8, abs=0.2)
            held = simulator.ledger[run.observations.index(cold)]
            assert not [
                served
                for served in simulator.ledger
                if held.received_ns < served.received_ns < held.outputs[0].monotonic_ns
            ]


async def test_a_cold_start_that_could_pass_a_budget_is_not_measured() -> None:
    price, budget = {"input": 1000, "output": 1000}, {"usd_per_day": 0.01}
    async with Simulator({"m": FAST}) as simulator:
        config = config_of(
            target(simulator, cold_start=COLD_START, price=price, budget=budget),
            interval="200ms",
        )
        (plan,) = config.plans()
        async with rig(plan) as run:
            run.spending.apply(config)
            await until(lambda: run.cold.keeps_back(plan))
            await until(lambda: not run.cold.keeps_back(plan))
            await until(lambda: run.value("inference_probes_skipped_total", reason="budget"))
            assert not cold_results(run)
            assert math.isnan(run.value("inference_not_ready_since_timestamp_seconds"))


async def test_a_reload_ends_the_idle_period_of_a_target_that_is_measured_no_more() -> None:
    async with Simulator({"m": FAST}) as simulator:
        (plan,) = plans_of(target(simulator, cold_start=COLD_START), interval="200ms")
        (changed,) = plans_of(target(simulator), interval="200ms")
        async with rig(plan) as run:
            await until(lambda: run.rests)
            run.apply(changed)
            await asyncio.sleep(0)
            assert not run.cold.keeps_back(changed)
            assert not run.rests
            results = len(run.results)
            await until(lambda: len(run.results) > results)


def config(*cold_starts: dict[str, Any]) -> tuple[Plan, ...]:
    return Config.model_validate(
        {
            "targets": [
                {
                    "name": f"t{number}",
                    "provider": "openai",
                    "model": "m",
                    "base_url": "http://127.0.0.1:1/v1",
                    "cold_start": settings,
                }
                for number, settings in enumerate(cold_starts)
            ]
        }
    ).plans()


def test_turns_go_round_and_follow_from_the_time_alone() -> None:
    plans = config(*[{"idle": "10m", "group": "gpu"}] * 3)
    (group,) = groups_of(plans).values()
    due, turns = group.next_idle_period(1_790_000_000.0), []
    for _ in range(6):
        turns.append(group.turn(due).target.name)
        due = group.next_idle_period(due + 1)
    assert sorted(turns[:3]) == ["t0", "t1", "t2"]
    assert turns[:3] == turns[3:]


def test_an_idle_period_is_followed_by_three_times_as_long_without_one() -> None:
    (group,) = groups_of(config({"idle": "30m"})).values()
    first = group.next_idle_period(1_790_000_000.0)
    assert group.next_idle_period(first + 1) - first == pytest.approx(2 * 3600)
