"""The daily number of requests of plans, and their possible cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby
from math import ceil

from exporter.config.plan import Plan
from exporter.prices.price import ServerPrice, TokenPrice
from exporter.probing.confirmation import most_per_day
from exporter.result import Usage

DAY_SECONDS = 86_400
DAYS_PER_MONTH = 30
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Forecast:
    """The daily number of probes and tokens, and the cost, of one or more plans."""

    probes: float
    input_tokens: float
    output_tokens: float
    usd: Decimal | None
    """``None`` if a price is unknown."""

    def __add__(self, other: Forecast) -> Forecast:
        unknown = self.usd is None or other.usd is None
        return Forecast(
            self.probes + other.probes,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            None if unknown else (self.usd or Decimal()) + (other.usd or Decimal()),
        )


NOTHING = Forecast(0, 0, 0, Decimal())


def grouped(plans: Iterable[Plan]) -> Iterator[list[Plan]]:
    """Yield the plans of each target."""
    for _, of_target in groupby(plans, key=lambda plan: plan.target.name):
        yield list(of_target)


def by_target(plans: Iterable[Plan]) -> Iterator[tuple[list[Plan], Forecast]]:
    """Yield the plans of each target with their combined forecast."""
    for of_target in grouped(plans):
        yield of_target, sum(map(forecast, of_target), NOTHING)


def forecast(plan: Plan) -> Forecast:
    """Forecast a day of a plan, with answers of the maximum length."""
    probes = _probes(plan)
    size = plan.probe.size
    if size is None:
        return Forecast(probes, 0, 0, Decimal())
    tokens = Usage(
        input=ceil(size.input_characters / CHARACTERS_PER_TOKEN), output=plan.output_tokens
    )
    each = _usd(plan, tokens)
    return Forecast(
        probes,
        probes * tokens.input,
        probes * tokens.output,
        None if each is None else Decimal(probes) * each,
    )


def confirming_forecast(plan: Plan) -> Forecast:
    """Forecast the maximum that a plan sends in a day to confirm changes.

    These probes are in addition to the scheduled ones.
    """
    usual, most = forecast(plan), most_per_day(plan)
    share = most / usual.probes
    return Forecast(
        most,
        share * usual.input_tokens,
        share * usual.output_tokens,
        None if usual.usd is None else Decimal(share) * usual.usd,
    )


def _probes(plan: Plan) -> float:
    """Return probes per day. Each idle time before a cold start skips some and ends with two."""
    scheduled = DAY_SECONDS / plan.interval_seconds
    cold_start = plan.target.cold_start
    if cold_start is None:
        return scheduled
    idle_periods = DAY_SECONDS / cold_start.every_seconds
    return scheduled - idle_periods * (cold_start.idle / plan.interval_seconds) + 2 * idle_periods


def _usd(plan: Plan, tokens: Usage) -> Decimal | None:
    match plan.price:
        case TokenPrice() as price:
            rates = price.peak_rates_for(tokens.input // plan.probe.rounds)
            thought = tokens.output if rates.reasoning > rates.output else 0
            return rates.cost_usd(replace(tokens, reasoning=thought))
        case ServerPrice():
            return Decimal()  # a server costs the same without probes
    return None
