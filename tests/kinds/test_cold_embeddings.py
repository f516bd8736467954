"""An embedding model is loaded and unloaded like any other."""

from __future__ import annotations

import asyncio

import pytest

from exporter.config.root import Config
from exporter.simulator import Boot, Script, Sign, Simulator
from tests.cold.rig import rig, target
from tests.waiting import timed

IDLE_SECONDS = 0.2
BOOT = Boot(seconds=0.5, idle_seconds=IDLE_SECONDS, sign=Sign.HELD)


@timed
async def test_a_cold_start_of_embeddings_lasts_until_the_whole_answer_is_there() -> None:
    async with Simulator({"m": Script(first_token_seconds=0.01)}) as simulator:
        asked = target(simulator, probes=["vectors"], cold_start={"idle": "1h"})
        config = Config.model_validate(
            {"probes": {"vectors": {"kind": "embeddings"}}, "targets": [asked]}
        )
        (plan,) = config.plans()
        async with rig(plan) as run:
            for _ in range(3):
                await run.cold.probe(plan)
            simulator.scripts["m"] = Script(first_token_seconds=0.01, boot=BOOT)
            await asyncio.sleep(BOOT.seconds + 2 * IDLE_SECONDS)
            observation = await run.probe_cold(plan)
    assert observation.result.failure is None
    assert observation.cold is not None
    assert observation.cold.duration_seconds == pytest.approx(0.6, abs=0.4)
    assert observation.cold.penalty_seconds is not None
