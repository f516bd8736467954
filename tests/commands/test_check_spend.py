"""check-config on money: spend, budgets, and settings that undermine them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter.budget.forecast import by_target
from exporter.commands.check_report import report
from exporter.config.loading import config_file
from exporter.config.root import Config
from exporter.demo import demo_config
from tests.prices.test_price_file import PRICES

EXAMPLE = Path(__file__).parents[2] / "docs" / "example-config.yaml"
PRICE = {"input": 1, "output": 10}
# 38 + 18 characters are 14 tokens: 14 * 1 + 50 * 10 = 514 USD per million probes.
PROBES = {"p": {"prompt": "x" * 38, "max_output_tokens": 50}}


def configure(*targets: dict[str, Any], **settings: Any) -> Config:
    whole = [{"provider": "openai", "model": "m", "price": PRICE, **target} for target in targets]
    return Config.model_validate({"probes": PROBES, "targets": whole, **settings})


def usd_per_day(config: Config) -> Decimal:
    """Return the spend of targets with a known price."""
    return sum((daily.usd or Decimal() for _, daily in by_target(config.plans())), Decimal())


def test_each_target_and_the_total_are_shown_by_day_and_by_month() -> None:
    text = report(configure({"name": "a"}, {"name": "b", "interval": "30s"}))
    # 1440 * 514 / 1e6 = 0.74016 USD
    rows = {line.split()[0]: line.split()[-2:] for line in text.splitlines() if line.strip()}
    assert rows["a"] == ["0.74", "22.20"]
    assert rows["b"] == ["1.48", "44.41"]
    assert rows["total"] == ["2.22", "66.61"]
    assert "Spend: 2.22 USD per day, 66.61 USD per month.\n" in text


@pytest.mark.parametrize(
    ("extra_body", "budgets", "warned"),
    [
        ({"max_tokens": None}, {"budget": {"usd_per_day": 1}}, True),
        ({"options": {"num_predict": -1}}, {"budget": {"usd_per_day": 1}}, True),
        ({"max_tokens": None, "max_completion_tokens": 9}, {"budget": {"usd_per_day": 1}}, False),
        ({"temperature": 0}, {"budget": {"usd_per_day": 1}}, False),
        ({"max_tokens": None}, {}, False),
    ],
)
def test_it_warns_if_no_limit_holds_a_probe_within_the_budget(
    extra_body: dict[str, Any], budgets: dict[str, Any], warned: bool
) -> None:
    text = report(configure({"name": "a", "extra_body": extra_body}, **budgets))
    assert ("target a: extra_body removes the limit of output tokens" in text) is warned


def test_several_answers_count_in_the_spend() -> None:
    # 1440 * (14 * 1 + 3 * 50 * 10) / 1e6 = 2.18016 USD
    assert usd_per_day(configure({"name": "a", "extra_body": {"n": 3}})) == Decimal("2.18016")


@pytest.mark.parametrize(
    ("concurrency", "assumed"),
    [(16, "16 concurrent requests"), (1, "1 concurrent request"), (2.5, "2.5 concurrent requests")],
)
def test_your_own_server_costs_no_more_when_probed(concurrency: float, assumed: str) -> None:
    server = {"usd_per_hour": 4, "gpus": 2, "concurrency": concurrency}
    text = report(configure({"name": "a"}, {"name": "own", "price": server}))
    assert "Spend: 0.74 USD per day" in text
    server_line = "Server of own: 8.00 USD per hour with or without probes; the estimate assumes"
    assert f"{server_line} {assumed}.\n" in text


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (1.0, "Budget of all targets: 1.00 USD per day; probes need 74% of it.\n"),
        (0.37008, "; probes need 200% of it, and stop 12h after midnight UTC.\n"),
    ],
)
def test_it_says_whether_a_budget_will_be_reached(budget: float, said: str) -> None:
    assert said in report(configure({"name": "a"}, budget={"usd_per_day": budget}))


def test_the_budget_of_a_target_is_held_against_its_own_spend() -> None:
    own = {"name": "b", "budget": {"usd_per_day": 0.5}}
    text = report(configure({"name": "a"}, own))
    assert "Budget of b: 0.50 USD per day; probes need 148% of it, and stop" in text
    assert "Budget of all" not in text


def test_what_would_undo_a_budget_is_warned_of() -> None:
    text = report(
        configure(
            {"name": "a", "price": None, "model": "unheard-of"},
            budget={"usd_per_day": 1},
            prices_file=str(PRICES),
        )
    )
    assert "warning: target a: price not known: prices_file has no 'unheard-of' by openai" in text
    assert "warning: a restart resets the budgets: set budget.state_file to keep the spend" in text
    assert "no target has a price" in text


def test_a_state_file_that_cannot_be_kept_is_warned_of(tmp_path: Path) -> None:
    gone = {"usd_per_day": 1, "state_file": str(tmp_path / "gone" / "spent.json")}
    assert f"warning: budget.state_file: {tmp_path / 'gone'} is not a directory" in report(
        configure({"name": "a"}, budget=gone)
    )
    there = {"usd_per_day": 1, "state_file": str(tmp_path / "spent.json")}
    assert "warning: budget" not in report(configure({"name": "a"}, budget=there))


def test_a_silence_keeps_probes_back_and_ends_with_two() -> None:
    cold_start = {"idle": "30m", "every": "2h"}
    ((_, daily),) = by_target(configure({"name": "a", "cold_start": cold_start}).plans())
    assert daily.probes == 1440 * 3 / 4 + 2 * 12


def test_long_input_is_estimated_in_its_tier() -> None:
    tiered = {"input": 1, "output": 0, "above": [{"input_tokens": 13, "input": 2}]}
    assert usd_per_day(configure({"name": "a", "price": tiered})) == Decimal("0.04032")


def test_the_example_configuration_costs_less_than_a_dollar_a_day() -> None:
    config = config_file.load(EXAMPLE)
    assert all(plan.price for plan in config.plans())
    assert 0 < usd_per_day(config) < 1


def test_the_demo_would_cost_less_than_a_dollar_a_day_at_the_default_interval() -> None:
    demo = demo_config("127.0.0.1:0", "http://127.0.0.1:1").model_dump(by_alias=True)
    del demo["defaults"]  # the demo probes often, because its probes cost nothing
    config = Config.model_validate(demo)
    assert {plan.interval_seconds for plan in config.plans()} == {60}
    assert 0 < usd_per_day(config) < 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        # 0.05 * 1440 per day, and 30 saved before: 102 * 514 / 1e6 USD.
        (
            {},
            "at most 102 more probes per day, 0.05 USD; to turn it off, set confirm: false",
        ),
        ({"price": None}, "at most 102 more probes per day, of unknown price; to turn"),
        # 0.05 * 24, and as many saved.
        ({"interval": "1h"}, "at most 2 more probes per day, 0.00 USD; to turn"),
    ],
)
def test_the_largest_cost_of_confirmation_is_shown(settings: dict[str, Any], said: str) -> None:
    assert said in report(configure({"name": "a", **settings}))


@pytest.mark.parametrize("settings", [{"confirm": False}, {"interval": "5s"}])
def test_what_is_never_confirmed_costs_nothing_more(settings: dict[str, Any]) -> None:
    assert "Confirming" not in report(configure({"name": "a", **settings}))


def test_what_the_free_kind_saves_is_told_where_it_saves_something() -> None:
    seldom, unknown = {"name": "c", "interval": "10m"}, {"name": "d", "price": None}
    text = report(configure({"name": "a"}, {"name": "b", "interval": "30s"}, seldom, unknown))
    # 144 * 514 / 1e6 = 0.074 USD each
    told = text[text.index("Cheaper:") : text.index("Estimated:")]
    assert told == (
        "Cheaper: kind: models every 1m, which is free, and probes that use tokens every 10m:"
        " 0.15 instead of 2.22 USD per day.\n"
        "  b: 0.07 instead of 1.48\n"
        "  a: 0.07 instead of 0.74\n"
    )
    assert "Cheaper:" not in report(configure(seldom))
