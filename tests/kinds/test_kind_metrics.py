"""Metrics of some kinds of probes: tool calls, rankings, listed models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exporter.config.plan import Plan, PlanChange, Timeouts
from exporter.config.target import Target
from exporter.kinds import Chat, Kind, Models, Probe, Rerank
from exporter.kinds.rerank import RerankExpectation
from exporter.metrics.registry import Metrics
from exporter.observation import observed
from exporter.providers.calls import ToolCall
from exporter.simulator import Error, ErrorKind, faults
from tests.kinds.rig import ask, simulator
from tests.metrics.test_metrics import value

RAIN = {"name": "get_rain", "parameters": {"properties": {"city": {"type": "string"}}}}
CALLING = Chat.model_validate({"prompt": "Does it rain in Paris?", "tools": [RAIN]})
ORDERING = Rerank(kind=Kind.RERANK, expect=RerankExpectation(order=(1,)))
LISTING = Models(kind=Kind.MODELS)
OVERLOADED = faults.ErrorResponse(Error(ErrorKind.OVERLOADED))


class Watched:
    """One plan and its metrics."""

    def __init__(self, probe: Probe, tmp_path: Path) -> None:
        target = Target(name="t", provider="openai", model="m")
        self._plan = Plan(target, "asked", probe, 60, Timeouts(total=60), False)
        self._tmp_path = tmp_path
        self.metrics = Metrics()
        self.metrics.apply(PlanChange.between((), (self._plan,)))

    async def ask(self, model: str = "m", **script: Any) -> None:
        async with simulator(**script) as server:
            result = await ask(server, "openai", self._plan.probe, self._tmp_path, model)
        self.metrics.observe(observed(self._plan, result))

    def counts(self, name: str, *outcomes: str) -> list[float]:
        return [value(self.metrics, name, outcome=outcome) for outcome in outcomes]


async def test_calls_are_counted_by_what_came_of_them(tmp_path: Path) -> None:
    watched = Watched(CALLING, tmp_path)
    name, outcomes = "inference_tool_calls_total", ("right", "missing", "wrong")
    assert watched.counts(name, *outcomes) == [0, 0, 0]

    await watched.ask(tool_call=ToolCall("get_rain", '{"city": "Paris"}'))
    await watched.ask()  # it answers with text
    await watched.ask(tool_call=ToolCall("get_rain", '{"city": 75}'))
    await watched.ask(tool_call=ToolCall("get_snow", "{}"))
    await watched.ask(fault=OVERLOADED)  # this failure says nothing about its tool calls

    assert watched.counts(name, *outcomes) == [1, 1, 2]


async def test_orders_are_counted_right_and_wrong(tmp_path: Path) -> None:
    watched = Watched(ORDERING, tmp_path)
    name, outcomes = "inference_rankings_total", ("right", "wrong")
    assert watched.counts(name, *outcomes) == [0, 0]

    await watched.ask()
    await watched.ask(fault=OVERLOADED)
    assert watched.counts(name, *outcomes) == [1, 0]

    expecting = ORDERING.model_copy(update={"expect": RerankExpectation(order=(2,))})
    disappointed = Watched(expecting, tmp_path)
    await disappointed.ask()
    assert disappointed.counts(name, *outcomes) == [0, 1]


async def test_a_model_is_listed_until_an_answer_lacks_it(tmp_path: Path) -> None:
    watched = Watched(LISTING, tmp_path)
    name = "inference_model_listed"

    await watched.ask()
    assert value(watched.metrics, name) == 1
    await watched.ask(fault=OVERLOADED)
    assert value(watched.metrics, name) == 1
    await watched.ask(model="gone")
    assert value(watched.metrics, name) == 0


@pytest.mark.parametrize(
    "name", ["inference_tool_calls_total", "inference_rankings_total", "inference_model_listed"]
)
def test_a_chat_without_tools_has_none_of_them(name: str, tmp_path: Path) -> None:
    watched = Watched(Chat(prompt="Count."), tmp_path)
    with pytest.raises(AssertionError):
        value(watched.metrics, name)
