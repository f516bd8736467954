"""LiteLLM's price file: which entry applies, what it says, and when none applies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter.config.loading import config_file
from exporter.config.root import Config
from exporter.prices.entry import UnknownPrice
from exporter.prices.file import load_prices
from exporter.prices.price import TokenPrice
from exporter.prices.vendors import vendor_of
from exporter.settings.mistakes import ConfigError

PRICES = Path(__file__).parents[1] / "fixtures" / "prices" / "prices.json"
OPENAI = {"provider": "openai"}
GATEWAY = {"provider": "openai", "base_url": "http://10.0.0.7:4000/v1"}
MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)


def at(host: str) -> dict[str, str]:
    return {"provider": "openai", "base_url": f"https://{host}/v1"}


def config(**target: Any) -> Config:
    named = {"name": "t", **target}
    return Config.model_validate({"prices_file": str(PRICES), "targets": [named]})


def found(**target: Any) -> TokenPrice:
    price = config(**target).plans()[0].price
    assert isinstance(price, TokenPrice)
    return price


@pytest.mark.parametrize(
    ("target", "input", "output"),
    [
        ({**OPENAI, "model": "small"}, "0.25", "2"),
        ({**OPENAI, "model": "small-latest"}, "0.25", "2"),
        ({**OPENAI, "model": "small-2026-09-01"}, "0.25", "2"),
        ({**OPENAI, "model": "small-20260901"}, "0.25", "2"),
        ({**OPENAI, "model": "small", "extra_body": {"service_tier": "flex"}}, "0.125", "1"),
        ({**OPENAI, "model": "small", "extra_body": {"service_tier": "auto"}}, "0.25", "2"),
        ({**at("eu.api.openai.com"), "model": "small"}, "0.275", "2.2"),
        ({**at("us.api.openai.com"), "model": "small"}, "0.25", "2"),
        ({**OPENAI, "model": "shared"}, "1", "1"),
        ({**GATEWAY, "model": "x", "price_key": "small"}, "0.25", "2"),
        ({**OPENAI, "model": "small", "price_key": "shared"}, "9", "9"),
        ({**at("eu.api.openai.com"), "model": "x", "price_key": "small"}, "0.275", "2.2"),
        ({**at("api.x.ai"), "model": "grok"}, "1", "2"),
        (
            {"provider": "bedrock", "region": "us-east-1", "model": "us.anthropic.claude"},
            "1.1",
            "5.5",
        ),
        ({"provider": "bedrock", "region": "eu-west-1", "model": "meta"}, "0.7", "0.7"),
        ({**OPENAI, "model": "free"}, "0", "0"),
        ({**OPENAI, "model": "vectors"}, "0.02", "0"),
        ({**OPENAI, "model": "ranks"}, "0.05", "0"),
        ({**OPENAI, "model": "small", "price": {"input": 7, "output": 8}}, "7", "8"),
    ],
)
def test_a_model_is_found_under_each_way_of_writing_it(
    target: dict[str, Any], input: str, output: str
) -> None:
    rates = found(**target).rates
    assert (rates.input, rates.output) == (Decimal(input), Decimal(output))
    assert not list(config(**target).unknown_prices())


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ({**OPENAI, "model": "smal"}, "prices_file has no 'smal' by openai"),
        ({**OPENAI, "model": "small-0613"}, "prices_file has no 'small-0613' by openai"),
        ({**OPENAI, "model": "picture"}, "prices_file has no 'picture' by openai"),
        ({**OPENAI, "model": "sample_spec"}, "prices_file has no 'sample_spec' by openai"),
        ({**at("api.groq.com"), "model": "small"}, "prices_file has no 'small' by groq"),
        (
            {**GATEWAY, "model": "small"},
            "the vendor that bills for http://10.0.0.7:4000/v1 is unknown",
        ),
        ({**GATEWAY, "model": "x", "price_key": "smal"}, "did you mean 'small'?"),
        ({**at("dashscope.aliyuncs.com"), "model": "qwen"}, "the vendor that bills for"),
        ({**OPENAI, "model": "by-the-second"}, "'by-the-second' has no price for input tokens"),
        ({**OPENAI, "model": "by-the-request"}, "has a price per request"),
        ({**OPENAI, "model": "by-the-query"}, "has a price per request"),
        ({**OPENAI, "model": "broken"}, "'broken' has the invalid price 'cheap'"),
        ({**OPENAI, "model": "negative"}, "'negative' has the invalid price"),
        ({**OPENAI, "model": "odd-hours"}, "'odd-hours' has invalid off-peak hours 'late'"),
        (
            {**OPENAI, "model": "large", "extra_body": {"service_tier": "flex"}},
            "'large' has no price for input tokens in the service tier flex",
        ),
    ],
)
def test_what_is_not_sure_is_unknown_and_says_why(target: dict[str, Any], why: str) -> None:
    assert config(**target).plans()[0].price is None
    [(name, reason)] = config(**target).unknown_prices()
    assert name == "t"
    assert why in reason


def test_prices_are_mentioned_only_if_requested() -> None:
    plain = Config.model_validate({"targets": [{"name": "t", "model": "m", **GATEWAY}]})
    assert not list(plain.unknown_prices())
    budget = Config.model_validate(
        {"targets": [{"name": "t", "model": "m", **GATEWAY}], "budget": {"usd_per_day": 1}}
    )
    assert list(budget.unknown_prices()) == [("t", "set price, or prices_file")]


@pytest.mark.parametrize(
    ("target", "first_dear_token", "input", "output"),
    [
        ({**OPENAI, "model": "large"}, 272_001, "4", "15"),
        ({**at("api.x.ai"), "model": "grok"}, 128_000, "2", "4"),
        ({**at("dashscope-intl.aliyuncs.com"), "model": "qwen"}, 32_001, "2.4", "12"),
    ],
)
def test_tiers_begin_where_the_vendor_says(
    target: dict[str, Any], first_dear_token: int, input: str, output: str
) -> None:
    price = found(**target)
    below = price.rates_for(first_dear_token - 1, MONDAY)
    above = price.rates_for(first_dear_token, MONDAY)
    assert below == price.rates
    assert (above.input, above.output) == (Decimal(input), Decimal(output))


def test_all_token_types_are_read() -> None:
    rates = found(**OPENAI, model="large").rates
    assert (rates.cached_input, rates.cache_write) == (Decimal("0.1"), Decimal("2.5"))
    assert found(**at("api.deepseek.com"), model="chat").rates.cached_input == Decimal("0.006")
    qwen = found(**at("dashscope-us.aliyuncs.com"), model="qwen").rates
    assert (qwen.output, qwen.reasoning) == (Decimal(6), Decimal(8))


@pytest.mark.parametrize(
    ("at_time", "input"),
    [
        ("2026-11-23T09:59:00Z", "0.3"),
        ("2026-11-23T10:00:00Z", "0.15"),
        ("2026-11-28T09:59:00Z", "0.15"),
    ],
)
def test_off_peak_prices_hold_in_their_hours(at_time: str, input: str) -> None:
    price = found(**at("api.deepseek.com"), model="chat")
    rates = price.rates_for(10, datetime.fromisoformat(at_time))
    assert rates.input == Decimal(input)
    assert rates.cached_input == Decimal("0.006")


@pytest.mark.parametrize(
    ("endpoint", "names"),
    [
        ("https://bedrock-mantle.us-east-1.api.aws/openai/v1", ("bedrock_mantle",)),
        ("https://me.openai.azure.com/openai/v1", ("azure",)),
        ("https://ws.ap-southeast-1.maas.aliyuncs.com/compatible-mode/v1", ("dashscope",)),
        ("https://jp.api.openai.com/v1", None),
        ("https://api.openai.com.evil.example/v1", None),
        ("https://ws.cn-beijing.maas.aliyuncs.com/compatible-mode/v1", None),
        ("http://127.0.0.1:8000/v1", None),
    ],
)
def test_the_vendor_is_who_sends_the_bill(endpoint: str, names: tuple[str, ...] | None) -> None:
    vendor = vendor_of(endpoint)
    assert (vendor and vendor.names) == names


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "contains no models"),
        ('{"m": {"input_cost_per_token": 1}}', "contains no models"),
    ],
)
def test_another_file_is_a_mistake(tmp_path: Path, content: str, wrong: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text(content)
    with pytest.raises(ConfigError, match=wrong):
        load_prices(file)


@pytest.mark.parametrize("absurd", ["1e9999999999999999999", "-1e9999999999999999999", "9" * 5000])
def test_an_absurd_number_costs_only_its_own_model_the_price(absurd: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    of_model = '"litellm_provider": "openai", "output_cost_per_token": 1e-6, "input_cost_per_token"'
    file.write_text(f'{{"odd": {{{of_model}: {absurd}}}, "fine": {{{of_model}: 2e-6}}}}')
    prices = load_prices(file)
    assert prices.by_key("fine", None, None).rates.input == 2
    with pytest.raises(UnknownPrice, match="'odd' has the invalid price") as caught:
        prices.by_key("odd", None, None)
    assert len(str(caught.value)) < 100


def write(path: Path, settings: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(settings))  # JSON is YAML
    return path


def test_a_missing_file_is_reported_with_the_other_mistakes(tmp_path: Path) -> None:
    main = write(tmp_path / "c.yaml", {"prices_file": "gone.json", "targets": [{"name": "t"}]})
    with pytest.raises(ConfigError) as caught:
        config_file.load(main)
    of_file = [str(m) for m in caught.value.mistakes if m.key == "prices_file"]
    gone = f"{tmp_path / 'gone.json'}: there is no such file; check the path"
    assert of_file == [f"{main}:1: prices_file: {gone}"]
    assert len(caught.value.mistakes) > 1


def test_a_changed_price_file_is_noticed_and_taken_up(tmp_path: Path) -> None:
    prices = write(tmp_path / "prices.json", json.loads(PRICES.read_text()))
    target = {"name": "t", "model": "small", **OPENAI}
    main = write(tmp_path / "c.yaml", {"prices_file": prices.name, "targets": [target]})
    before = config_file.fingerprint(main)
    entry = {"litellm_provider": "openai", "input_cost_per_token": 5e-6, "output_cost_per_token": 0}
    write(prices, {"small": entry})
    assert config_file.fingerprint(main) != before
    price = config_file.load(main).plans()[0].price
    assert isinstance(price, TokenPrice)
    assert price.rates.input == 5
