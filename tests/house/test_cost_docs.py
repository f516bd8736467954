"""The worked example of docs/cost.md, recomputed from the settings on that page."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from exporter.budget.forecast import DAYS_PER_MONTH, forecast
from exporter.commands.check_report import report
from exporter.config.plan import Plan
from exporter.config.root import Config
from exporter.observation import worst_usd
from exporter.prices.price import TokenPrice
from exporter.result import NANOSECONDS, Timeline, Usage
from tests.metrics.test_metrics import GOOD, value
from tests.observing import ToldMetrics

PAGE = (Path(__file__).parents[2] / "docs" / "cost.md").read_text()
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def config() -> Config:
    block = re.search(r"## Worked example.*?```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert block
    return Config.model_validate(yaml.safe_load(block[1]))


def plan(target: str) -> Plan:
    return next(plan for plan in config().plans() if plan.target.name == target)


def says(figure: Decimal | str, unit: str = "") -> None:
    """Check that the page contains this value as a result."""
    assert f"**{figure}{unit}**" in PAGE


@pytest.mark.parametrize(
    ("target", "usage", "words"),
    [
        ("hosted", Usage(1_200, 250, cached_input=1_024), "1,200 input tokens, 1,024 of them"),
        ("beijing", Usage(1_000, 500, reasoning=300), "1,000 input and 500 output tokens, 300"),
        ("beijing", Usage(128_000, 0), "With 128,000 input tokens"),
        ("beijing", Usage(128_001, 0), "128,001 x 2.4"),
    ],
)
def test_the_cost_of_a_request(target: str, usage: Usage, words: str) -> None:
    price = plan(target).price
    assert isinstance(price, TokenPrice)
    assert words in PAGE
    says(price.cost_usd(usage, NOON).normalize(), " USD")


def test_the_cost_of_a_day_and_of_a_month() -> None:
    usd = forecast(plan("hosted")).usd
    assert usd
    says(usd.normalize(), " USD")
    says((usd * DAYS_PER_MONTH).normalize(), " USD")


def test_prices_as_users_compare_them() -> None:
    metrics = ToldMetrics()
    metrics.take(config().plans(), config().mix)
    name = "inference_usd_per_million_tokens"
    says(f"{value(metrics, name, target='hosted', mix='output'):g}")
    says(f"{value(metrics, name, target='hosted', mix='blended'):g}")


def test_your_own_server() -> None:
    metrics = ToldMetrics()
    metrics.take(config().plans(), config().mix)
    four_seconds = Timeline(start=0, sent=0, end=4 * NANOSECONDS)
    server = plan("own-server")
    metrics.tell(
        replace(
            GOOD,
            target="own-server",
            probe=server.probe_name,
            timeline=four_seconds,
            usage=Usage(720, 240),
        )
    )
    name = "inference_usd_per_million_tokens"
    says(f"{value(metrics, name, target='own-server', mix='output'):.4f}", " USD")
    says(f"{value(metrics, name, target='own-server', mix='blended'):.4f}", " USD")


def test_what_a_budget_holds_back_and_how_long_it_lasts() -> None:
    says(f"{worst_usd(plan('hosted')).normalize():f}", " USD")
    together = [forecast(plan(name)).usd or Decimal() for name in ("hosted", "beijing")]
    says(sum(together, Decimal()).normalize(), " USD")
    text = report(config())
    lasts = re.search(r"Budget of all targets: .* stop (\w+) after midnight", text)
    assert lasts
    says(lasts[1])


def test_no_result_on_the_page_is_left_out_here() -> None:
    results = re.findall(r"\*\*[\d.]+(?: USD)?\*\*", PAGE)
    assert len(results) == 12
