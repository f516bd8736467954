"""The kind ``cached_prefix``: whether the promised prompt cache works, and what it saves."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter.budget.forecast import forecast
from exporter.config.plan import Plan, PlanChange, Timeouts
from exporter.config.target import Target
from exporter.kinds import CachedPrefix, Kind
from exporter.kinds.cached_prefix import CachedPrefixExpectation
from exporter.metrics.registry import Metrics
from exporter.observation import observed, worst_usd
from exporter.prices.settings import TierSettings, TokenPriceSettings
from exporter.providers import PROVIDERS
from exporter.providers.base import Call
from exporter.result import Failure, FailureReason, ProbeResult, Usage
from exporter.simulator import Error, ErrorKind, faults
from tests.kinds.rig import ask, simulator, speakers
from tests.metrics.test_metrics import GOOD, value
from tests.waiting import timed

PROBE = CachedPrefix(kind=Kind.CACHED_PREFIX, prefix_tokens=512, pause=0.01)
SPEAKERS = speakers(Kind.CACHED_PREFIX)
CACHING: dict[str, Any] = {
    "first_token_seconds": 0.25,
    "cached_first_token_seconds": 0.01,
    "token_gap_seconds": 0,
}


@timed
@pytest.mark.parametrize("provider", SPEAKERS)
async def test_the_same_long_prompt_is_asked_twice_and_nobody_elses(
    provider: str, tmp_path: Path
) -> None:
    async with simulator(**CACHING) as server:
        first = await ask(server, provider, PROBE, tmp_path)
        second = await ask(server, provider, PROBE, tmp_path)
    for result in (first, second):
        assert result.failure is None
        measures = result.measures
        assert measures.cold_first_token_seconds is not None
        assert measures.cached_first_token_seconds is not None
        assert measures.cold_first_token_seconds > 0.24
        assert measures.cached_first_token_seconds < measures.cold_first_token_seconds
        assert measures.cached_input_ratio == 1
        assert result.usage is not None
        assert result.earlier_usage is not None
        assert result.earlier_usage.cached_input == 0


async def test_the_two_requests_are_the_same_and_differ_from_probe_to_probe(tmp_path: Path) -> None:
    async with simulator(**CACHING) as server:
        for _ in range(2):
            await ask(server, "openai", PROBE, tmp_path)
        first, again, other, other_again = [served.prompt for served in server.ledger]
    assert first == again
    assert other == other_again
    assert first[:16] != other[:16]  # a cache matches from the first token
    assert len(first.split()) > 300


@pytest.mark.parametrize(
    ("provider", "mark"),
    [("anthropic", '"cache_control"'), ("bedrock", '"cachePoint"'), ("openai", "")],
)
def test_who_caches_only_when_told_is_told(provider: str, mark: str) -> None:

    row = PROVIDERS[provider]
    call = Call("m", PROBE.ask("", "00ff"), "https://host.example", api_key="k")
    body = row.dialect(row.server(None, None), Kind.CACHED_PREFIX).request(call).body.decode()
    assert mark in body
    assert ("cache" in body) is bool(mark)


EXPECTING = PROBE.model_copy(update={"expect": CachedPrefixExpectation(cached_ratio=0.8)})


async def test_a_cache_that_does_not_work_shows_and_fails_where_one_is_expected(
    tmp_path: Path,
) -> None:
    async with simulator(token_gap_seconds=0, first_token_seconds=0) as server:
        told = await ask(server, "openai", PROBE, tmp_path)
        failed = await ask(server, "openai", EXPECTING, tmp_path)
    assert told.failure is None
    assert told.measures.cached_input_ratio == 0
    assert failed.failure is not None
    assert failed.failure.reason is FailureReason.WRONG_ANSWER
    assert failed.failure.detail == "0% of the prompt came from the cache, not 80%"


async def test_a_provider_that_tells_no_counts_leaves_the_ratio_unknown(tmp_path: Path) -> None:
    async with simulator(**CACHING, reports_usage=False) as server:
        told = await ask(server, "openai", PROBE, tmp_path)
        failed = await ask(server, "openai", EXPECTING, tmp_path)
    assert told.failure is None
    assert told.measures.cached_input_ratio is None
    assert failed.failure is not None
    assert failed.failure.detail.startswith("an unknown share of the prompt")


async def test_a_first_request_that_fails_is_the_result(tmp_path: Path) -> None:
    async with simulator(fault=faults.ErrorResponse(Error(ErrorKind.OVERLOADED))) as server:
        result = await ask(server, "openai", PROBE, tmp_path)
        assert len(server.ledger) == 1
    assert result.failure is not None
    assert result.failure.reason is FailureReason.OVERLOADED
    assert result.earlier_usage is None


def plan() -> Plan:
    target = Target(
        name="contract",
        provider="openai",
        model="m",
        price=TokenPriceSettings(input=1.0, cached_input=0.1, output=0.0),
    )
    price = TokenPriceSettings(input=1.0, cached_input=0.1, output=0.0).in_usd({})
    return Plan(target, "contract", PROBE, 60, Timeouts(total=5), False, price=price)


async def result_of(tmp_path: Path) -> ProbeResult:
    async with simulator(**CACHING) as server:
        return await ask(server, "openai", PROBE, tmp_path)


async def test_what_the_cache_is_worth_becomes_metrics(tmp_path: Path) -> None:
    metrics, asked = Metrics(), plan()
    metrics.apply(PlanChange.between((), (asked,)))
    observation = observed(asked, await result_of(tmp_path))
    metrics.observe(observation)
    name = "inference_cached_prefix_time_to_first_token_seconds"
    cold, cached = (value(metrics, name, cache=cache) for cache in ("cold", "cached"))
    assert cold > cached > 0
    assert value(metrics, "inference_cached_prefix_input_ratio") == 1
    tokens = observation.result.usage.input if observation.result.usage else 0
    saved = value(metrics, "inference_cached_prefix_saved_usd")
    assert saved == pytest.approx(tokens * 0.9e-6)
    assert value(metrics, "inference_cost_usd_total") == pytest.approx(tokens * 1.1e-6)
    assert value(metrics, "inference_tokens_total", type="input") == 2 * tokens
    assert value(metrics, "inference_tokens_total", type="cached_input") == tokens


def test_both_requests_are_reckoned_with() -> None:
    asked = plan()
    each_day = forecast(asked)
    assert each_day.output_tokens == 1440 * 2 * PROBE.max_output_tokens
    assert each_day.input_tokens > 1440 * 2 * 512
    assert worst_usd(asked) > 2 * 512e-6


def test_a_price_tier_is_chosen_by_the_length_of_one_request() -> None:
    asked = plan()
    each = forecast(asked).input_tokens / 1440 / 2
    tier = TierSettings(input_tokens=math.ceil(each), input=10.0)
    price = TokenPriceSettings(input=1.0, output=0.0, above=(tier,)).in_usd({})
    assert forecast(replace(asked, price=price)) == forecast(asked)


def test_the_worst_case_has_what_comes_with_each_of_the_two_requests() -> None:
    asked, note = plan(), {"note": "x" * 1000}
    longer = replace(asked, target=asked.target.model_copy(update={"extra_body": note}))
    further = len(json.dumps(note)) - len("{}")
    assert worst_usd(longer) - worst_usd(asked) == Decimal(2 * further) / 1_000_000


@pytest.mark.parametrize("status", [200, 429])
def test_a_first_request_without_counts_costs_the_worst_case(status: int) -> None:
    asked = plan()
    first = replace(GOOD, usage=None)
    failure = None if status == 200 else Failure(FailureReason.RATE_LIMITED, "", status)
    usage = None if failure else Usage(600, 1)
    second = replace(GOOD, usage=usage, status=status, failure=failure)
    cost = observed(asked, PROBE.together([first, second])).cost
    assert cost.charged_usd == worst_usd(asked)
    assert cost.usd == (None if failure else Decimal("0.0006"))
