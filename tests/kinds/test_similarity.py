"""The similarity metric shows when the model behind an embedding changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.config.plan import Plan, PlanChange, Timeouts
from exporter.config.target import Target
from exporter.kinds import Embeddings, Kind
from exporter.metrics.registry import Metrics
from exporter.observation import observed
from tests.kinds.rig import ask, simulator
from tests.metrics.test_metrics import value

PROBE = Embeddings(kind=Kind.EMBEDDINGS)
TARGET = Target(name="contract", provider="openai", model="m")


async def test_another_model_under_the_old_name_turns_the_vector(tmp_path: Path) -> None:
    plan = Plan(TARGET, "contract", PROBE, 60, Timeouts(total=5), fresh_connection=False)
    metrics = Metrics()
    metrics.apply(PlanChange.between((), (plan,)))
    told = []
    async with simulator(dimensions=64) as server:
        for served in (None, None, "m-quantised"):
            script = server.scripts["m"]
            server.scripts["m"] = type(script)(dimensions=64, served_model=served)
            metrics.observe(observed(plan, await ask(server, "openai", PROBE, tmp_path)))
            told.append(value(metrics, "inference_embedding_similarity", target="contract"))
    assert told[:2] == [pytest.approx(1), pytest.approx(1)]
    assert abs(told[2]) < 0.5
    assert value(metrics, "inference_embedding_dimensions", target="contract") == 64
    assert value(metrics, "inference_items_per_second", target="contract") > 0
