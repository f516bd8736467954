"""Each result is interpreted once, so all listeners get the same observation."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from exporter.budget.spending import Spending
from exporter.coldness import Coldness, ColdSignal
from exporter.observation import Observation, observed
from exporter.probing.prober import Prober
from exporter.result import Timeline, Usage
from tests.metrics.test_metrics import GOOD, MS, plan
from tests.observing import newly
from tests.probing.test_schedule import ANSWER, plan_for
from tests.wire import wire_server

PER_TOKEN = {"input": 1, "output": 10}
PER_HOUR = {"usd_per_hour": 3.6, "gpus": 1, "concurrency": 1}


@pytest.mark.parametrize(
    ("uncertainty_ms", "interrupted", "certain"),
    [(None, False, True), (10, False, True), (10.001, False, False), (0, True, False)],
)
def test_a_result_is_certain_if_the_exporter_read_promptly_and_did_not_stop(
    uncertainty_ms: float | None, interrupted: bool, certain: bool
) -> None:
    uncertainty = None if uncertainty_ms is None else round(uncertainty_ms * MS)
    timeline = replace(GOOD.timeline, uncertainty=uncertainty)
    result = replace(GOOD, timeline=timeline, interrupted=interrupted)
    assert observed(plan(), result).certain is certain


@pytest.mark.parametrize(
    ("price", "changes", "usd", "charged_usd", "per_million"),
    [
        pytest.param(PER_TOKEN, {}, "0.00003", "0.00003", None, id="counted tokens"),
        pytest.param(PER_TOKEN, {"usage": None}, None, "0.000917", None, id="worst case"),
        pytest.param(PER_TOKEN, {"usage": None, "status": 429}, None, "0", None, id="refused"),
        pytest.param(PER_HOUR, {}, None, "0", "500", id="a server's time"),
        pytest.param(PER_HOUR, {"interrupted": True}, None, "0", None, id="uncertain times"),
        pytest.param(None, {}, None, "0", None, id="no price"),
    ],
)
def test_the_cost_of_a_result(
    price: Any, changes: Any, usd: str | None, charged_usd: str, per_million: str | None
) -> None:
    timeline = Timeline(start=0, sent=0, end=1_000 * MS)
    result = replace(GOOD, timeline=timeline, usage=Usage(10, 2), status=200)
    cost = observed(plan(price=price), replace(result, **changes)).cost
    assert cost.usd == (None if usd is None else Decimal(usd))
    assert cost.charged_usd == Decimal(charged_usd)
    assert cost.usd_per_million_output_tokens == (per_million and Decimal(per_million))


async def test_every_observer_is_told_the_same_observation() -> None:
    cold = Coldness(ColdSignal.SLOW)
    first, second = list[Observation](), list[Observation]()
    with wire_server(ANSWER) as server:
        asked = plan_for(server)
        prober = Prober(
            [first.append, second.append],
            purse=Spending(),
        )
        prober.apply(newly([asked]))
        told = await prober.probe(asked, lambda it: replace(it, cold=cold))
        await prober.aclose(grace_seconds=1)
    assert (first, second) == ([told], [told])
    assert (told.plan, told.cold, told.certain) == (asked, cold, True)
