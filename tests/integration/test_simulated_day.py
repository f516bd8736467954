"""A day of probes at high speed: costs agree with the simulator's ledger, and a daily budget lasts
exactly one day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from exporter.budget.spending import Spending
from exporter.config.plan import Plan
from exporter.config.root import Config
from exporter.metrics.registry import Metrics
from exporter.probing.prober import OverBudget, Prober
from exporter.result import Usage
from exporter.simulator import Script, Simulator, run_in_thread
from exporter.simulator.faults import Disconnect
from tests.metrics.test_metrics import value
from tests.observing import newly

pytestmark = pytest.mark.slow

MIDNIGHT = 1_795_478_400  # 2026-11-24T00:00:00Z
INTERVAL_SECONDS = 180
PROBES_A_DAY = 86_400 // INTERVAL_SECONDS
AT_ONCE: Mapping[str, Any] = {"first_token_seconds": 0.005, "token_gap_seconds": 0.0}

SCRIPTS = {
    "plain": Script(**AT_ONCE, answer_tokens=24),
    "cached": Script(
        **AT_ONCE, cached_input_tokens=5, fault=Disconnect(after_tokens=4), fault_ratio=0.1
    ),
    "thinker": Script(**AT_ONCE, reasoning_tokens=30, show_reasoning=False),
}
PRICES: Mapping[str, Mapping[str, Any]] = {
    "plain": {"input": 2.5, "output": 15},
    "cached": {"input": 3, "cached_input": 0.3, "output": 12.5},
    # Every prompt is longer than the first tier.
    "thinker": {"input": 9, "output": 9, "reasoning": 9, "above": [
        {"input_tokens": 3, "input": 1.1, "output": 4.4, "reasoning": 7.7}]},
}  # fmt: skip


def by_hand(model: str, usage: Usage) -> Decimal:
    """Return the cost of one ledger entry, in millionths of a USD."""
    match model:
        case "plain":
            return usage.input * Decimal("2.5") + usage.output * Decimal(15)
        case "cached":
            assert usage.cached_input == 5
            rest = (usage.input - 5) * Decimal(3) + usage.output * Decimal("12.5")
            return 5 * Decimal("0.3") + rest
        case _:
            answer = usage.output - 30
            return usage.input * Decimal("1.1") + answer * Decimal("4.4") + 30 * Decimal("7.7")


class Day:
    """An exporter with a clock that the test moves."""

    def __init__(self, url: str, **budget: float) -> None:
        self.config = Config.model_validate(
            {
                "defaults": {"interval": INTERVAL_SECONDS},
                "budget": budget,
                "targets": [
                    {
                        "name": model,
                        "provider": "openai",
                        "model": model,
                        "base_url": f"{url}/v1",
                        "price": price,
                    }
                    for model, price in PRICES.items()
                ],
            }
        )
        self.now = float(MIDNIGHT)
        self.metrics = Metrics()
        self.spending = Spending(now=lambda: self.now)
        self.spending.apply(self.config)
        self.prober = Prober([self.metrics.observe], purse=self.spending)
        self.metrics.apply(newly(self.config.plans()))

    async def probe(self, plan: Plan) -> None:
        await self.prober.probe(plan)

    def cost(self, target: str) -> float:
        return value(self.metrics, "inference_cost_usd_total", target=target)


@pytest.mark.timeout(300)
async def test_the_cost_of_a_day_matches_the_ledger() -> None:
    with run_in_thread(Simulator(SCRIPTS)) as simulator:
        day = Day(simulator.url)
        day.prober.apply(newly(day.config.plans()))
        for _ in range(PROBES_A_DAY):
            for plan in day.config.plans():
                await day.probe(plan)
            day.now += INTERVAL_SECONDS
        await day.prober.aclose(grace_seconds=1)
        ledger = simulator.ledger
    due = dict.fromkeys(PRICES, Decimal())
    for line in ledger:
        if line.model and line.usage:
            due[line.model] += by_hand(line.model, line.usage) / 1_000_000
    assert Counter(line.model for line in ledger) == dict.fromkeys(PRICES, PROBES_A_DAY)
    assert value(day.metrics, "inference_probes_total", target="cached", outcome="failure") > 20
    for model, usd in due.items():
        assert usd > Decimal("0.1")
        assert day.cost(model) == float(usd)
    assert round(sum(map(day.cost, PRICES)), 2) == float(round(sum(due.values(), Decimal()), 2))


@pytest.mark.timeout(300)
async def test_a_budget_ends_probing_before_it_is_passed_and_begins_anew_at_midnight() -> None:
    with run_in_thread(Simulator(SCRIPTS)) as simulator:
        day = Day(simulator.url, usd_per_day=0.02)
        day.prober.apply(newly(day.config.plans()))
        sent, skipped = Counter[int](), Counter[int]()
        for number in range(2 * 60):  # one hour on each of two days
            plan = day.config.plans()[number % 3]
            date = number // 60
            day.now = MIDNIGHT + date * 86_400 + number % 60 * 60
            try:
                await day.probe(plan)
                sent[date] += 1
            except OverBudget:
                skipped[date] += 1
            assert day.spending.day.total_usd <= Decimal("0.02")
        await day.prober.aclose(grace_seconds=1)
    assert sent[0] > 5
    assert skipped[0] > 5
    assert sent[1] > 5
    # Less than the cost of one more probe is left.
    assert day.spending.day.total_usd > Decimal("0.016")
