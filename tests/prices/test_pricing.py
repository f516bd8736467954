"""Money: every token has its own rate, and nothing is rounded."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from exporter.config.root import Config
from exporter.prices.price import (
    DEFAULT_MIX,
    Mix,
    OffPeak,
    Price,
    Rates,
    ServerPrice,
    TokenPrice,
    WeeklyHours,
)
from exporter.result import Timeline, Usage
from tests.metrics.test_metrics import GOOD, plan, samples, value
from tests.observing import ToldMetrics

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
COSTS = "inference_cost_usd_total"


def price(settings: dict[str, Any], **config: Any) -> Price:
    """Return the price that the configuration describes."""
    target = {"name": "t", "provider": "openai", "model": "m", "price": settings}
    found = Config.model_validate({"targets": [target], **config}).plans()[0].price
    assert found
    return found


def token_price(settings: dict[str, Any], **config: Any) -> TokenPrice:
    found = price(settings, **config)
    assert isinstance(found, TokenPrice)
    return found


def rates(**given: str) -> Rates:
    return Rates.of({name: Decimal(amount) for name, amount in given.items()})


tokens = st.integers(0, 2_000_000)
money = st.decimals(0, 1000, places=4)
all_rates = st.builds(Rates, money, money, money, money, money)


@given(all_rates, tokens, tokens, tokens, tokens, tokens)
def test_every_token_is_charged_once_at_its_own_rate_to_the_last_digit(
    charged: Rates, plain: int, cached: int, written: int, answer: int, reasoning: int
) -> None:
    usage = Usage(
        input=plain + cached + written,
        output=answer + reasoning,
        cached_input=cached,
        cache_write=written,
        reasoning=reasoning,
    )
    exact = sum(
        Fraction(count) * Fraction(rate)
        for count, rate in (
            (plain, charged.input),
            (cached, charged.cached_input),
            (written, charged.cache_write),
            (answer, charged.output),
            (reasoning, charged.reasoning),
        )
    )
    assert Fraction(charged.cost_usd(usage)) == exact / 1_000_000


@given(st.lists(st.tuples(tokens, tokens), max_size=60), money, money)
def test_the_counter_is_the_exact_sum_rounded_once(
    probes: list[tuple[int, int]], input: Decimal, output: Decimal
) -> None:
    metrics = ToldMetrics()
    metrics.take([plan(price={"input": float(input), "output": float(output)})])
    for sent, received in probes:
        metrics.tell(replace(GOOD, usage=Usage(sent, received)))
    exact = sum((sent * input + got * output for sent, got in probes), Decimal()) / 1_000_000
    assert value(metrics, COSTS) == float(exact)


@given(all_rates, tokens, tokens, tokens, tokens, tokens)
def test_no_request_costs_more_than_its_worst_case(
    charged: Rates, input: int, cached: int, written: int, output: int, reasoning: int
) -> None:
    usage = Usage(input, output, min(cached, input), min(written, input), min(reasoning, output))
    if usage.cached_input + usage.cache_write <= usage.input:
        assert charged.cost_usd(usage) <= charged.worst_usd(input, output)


def test_parts_larger_than_the_whole_leave_no_negative_rest() -> None:
    charged = rates(input="1", output="2", cached_input="0.5", reasoning="4")
    usage = Usage(input=100, output=10, cached_input=300, reasoning=20)
    assert charged.cost_usd(usage) == (300 * Decimal("0.5") + 20 * 4) / 1_000_000


def test_a_negative_count_gives_no_money_back() -> None:
    charged = rates(input="1", output="2")
    assert charged.cost_usd(Usage(input=-5, output=-5, cached_input=-5, reasoning=-9)) >= 0


def test_what_is_not_priced_apart_costs_what_it_is_part_of() -> None:
    assert rates(input="3", output="15") == Rates(*map(Decimal, (3, 3, 3, 15, 15)))


def test_a_price_of_nothing_is_a_price() -> None:
    assert rates(input="3", output="15", cached_input="0").cached_input == 0


TIERED = {
    "input": 1.2,
    "output": 6,
    "cached_input": 0.24,
    "above": [
        {"input_tokens": 32_000, "input": 2.4, "output": 12},
        {"input_tokens": 128_000, "input": 3, "output": 15, "cached_input": 0.6},
    ],
}


@pytest.mark.parametrize(
    ("input_tokens", "input", "cached"),
    [
        (1, "1.2", "0.24"),
        (32_000, "1.2", "0.24"),
        (32_001, "2.4", "0.24"),
        (128_000, "2.4", "0.24"),
        (128_001, "3", "0.6"),
        (9_999_999, "3", "0.6"),
    ],
)
def test_long_input_moves_the_whole_request_into_its_tier(
    input_tokens: int, input: str, cached: str
) -> None:
    tier = token_price(TIERED).rates_for(input_tokens, MONDAY_NOON)
    assert (tier.input, tier.cached_input) == (Decimal(input), Decimal(cached))
    usage = Usage(input_tokens, 0)
    assert token_price(TIERED).cost_usd(usage, MONDAY_NOON) == input_tokens * tier.input / 1_000_000


def test_another_currency_is_changed_at_the_configured_rate() -> None:
    in_yuan = {
        "input": 0.8,
        "output": 2,
        "currency": "CNY",
        "above": [{"input_tokens": 9, "input": 4}],
    }
    found = token_price(in_yuan, currencies={"CNY": 0.1405})
    assert found.rates.output == Decimal("0.2810")
    assert found.tiers[0].rates.input == Decimal("0.562")


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"input": 1, "output": 2, "currency": "CNY"}, "price.currency"),
        ({"input": 1, "output": 2, "currency": "usd"}, "price.tokens.currency"),
        ({"input": 1}, "price.tokens.output"),
        ({"input": -1, "output": 2}, "price.tokens.input"),
        ({"usd_per_hour": 0}, "price.server.usd_per_hour"),
        ({"gpus": 8}, "price.server.usd_per_hour"),
        (
            {**TIERED, "above": [{"input_tokens": 9}, {"input_tokens": 9}]},
            "price.tokens.above.1.input_tokens",
        ),
    ],
)
def test_a_price_that_makes_no_sense_is_a_mistake(settings: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError) as caught:
        price(settings)
    assert [".".join(map(str, e["loc"])) for e in caught.value.errors()] == [f"targets.0.{wrong}"]


NIGHT = WeeklyHours(frozenset({1, 2, 3, 4, 5}), time(16, 30), time())
SMALL_HOURS = WeeklyHours(frozenset({1, 2, 3, 4, 5}), time(), time(0, 30))


@pytest.mark.parametrize(
    ("at", "off_peak"),
    [
        ("2026-11-23T16:29:59Z", False),
        ("2026-11-23T16:30:00Z", True),
        ("2026-11-23T23:59:59Z", True),
        ("2026-11-24T00:29:59Z", True),
        ("2026-11-24T00:30:00Z", False),
        ("2026-11-28T18:00:00Z", False),  # a Saturday
        ("2026-11-24T00:45:00+08:00", True),
    ],
)
def test_off_peak_hours_are_hours_of_utc(at: str, off_peak: bool) -> None:
    cheap = OffPeak(rates(input="1", output="2"), (NIGHT, SMALL_HOURS))
    found = TokenPrice(rates(input="2", output="4"), off_peak=cheap)
    charged = found.rates_for(10, datetime.fromisoformat(at))
    assert charged.input == (1 if off_peak else 2)
    assert found.worst_usd(10, 0) == 2 * Decimal(10) / 1_000_000


def test_prices_are_shown_with_what_they_come_to() -> None:
    metrics = ToldMetrics()
    given = {"input": 0.25, "cached_input": 0.025, "output": 2, "reasoning": 3}
    metrics.take([plan(price=given)])
    for type_, usd in {**given, "cache_write": 0.25}.items():
        assert value(metrics, "inference_price_usd_per_million_tokens", type=type_) == usd
    name = "inference_usd_per_million_tokens"
    assert value(metrics, name, mix="output") == 2
    assert value(metrics, name, mix="blended") == (3 * 0.25 + 2) / 4
    metrics.take([plan(price=given)], Mix(Decimal(1), Decimal(1)))
    assert value(metrics, name, mix="blended") == (0.25 + 2) / 2
    assert value(metrics, "inference_price_mix_input_tokens") == 1


SERVER = {"usd_per_hour": 12, "gpus": 8, "concurrency": 16}


def test_your_own_server_costs_its_time() -> None:
    server = price(SERVER)
    assert server == ServerPrice(usd_per_hour=Decimal(96), concurrency=Decimal(16))
    # 11 tokens in 1.2 s, one of 16 streams: 96 / 3600 / 16 * 1.2 / 11 USD each.
    sent_to_end = replace(GOOD, timeline=Timeline(start=0, sent=0, end=1_200_000_000))
    exact = float(Fraction(96, 3600) / 16 * Fraction(12, 10) / 11 * 1_000_000)
    metrics = ToldMetrics()
    metrics.take([plan(price=SERVER)])
    metrics.tell(sent_to_end)
    name = "inference_usd_per_million_tokens"
    assert value(metrics, name, mix="output") == pytest.approx(exact, rel=1e-12)
    assert value(metrics, name, mix="blended") == pytest.approx(exact / 4, rel=1e-12)
    assert value(metrics, "inference_price_assumed_concurrency") == 16
    # Its probes cost nothing more, but $0 would make it the cheapest target of every comparison.
    assert COSTS not in {name for name, *_ in samples(metrics.everything())}


@pytest.mark.parametrize(
    "unmeasured",
    [
        replace(GOOD, usage=None),
        replace(GOOD, usage=Usage(3, 0)),
        replace(GOOD, timeline=Timeline(start=0, sent=0)),
    ],
)
def test_an_unmeasured_probe_says_nothing_about_a_server(unmeasured: Any) -> None:
    server = price(SERVER)
    assert isinstance(server, ServerPrice)
    assert server.usd_per_million_output_tokens(unmeasured) is None


def test_blending_is_by_the_mix() -> None:
    charged = rates(input="1", output="5")
    assert DEFAULT_MIX.blended(charged) == 2
    assert Mix(Decimal(0), Decimal(1)).blended(charged) == 5


def test_rates_name_the_token_types() -> None:
    assert {field.name for field in fields(Rates)} == {field.name for field in fields(Usage)}
