"""Computes costs in USD from tokens, with exact decimals and prices per million tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, time
from decimal import Decimal

from exporter.result import ProbeResult, Usage

TOKENS_PER_PRICE = Decimal(1_000_000)
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens of each type."""

    input: Decimal
    cached_input: Decimal
    cache_write: Decimal
    output: Decimal
    reasoning: Decimal

    @classmethod
    def of(cls, given: Mapping[str, Decimal]) -> Rates:
        """Fill in missing rates.

        Cached input and cache writes default to the rate of input, and reasoning to the rate of
        output. A rate of 0 doesn't count as missing.

        :raises KeyError: ``input`` or ``output`` is missing.
        """
        return cls(
            input=given["input"],
            cached_input=given.get("cached_input", given["input"]),
            cache_write=given.get("cache_write", given["input"]),
            output=given["output"],
            reasoning=given.get("reasoning", given["output"]),
        )

    def cost_usd(self, usage: Usage) -> Decimal:
        """Compute the exact cost of one request.

        Cached input and cache writes are parts of the input, and reasoning is a part of the output.
        Each part has its own rate. If a provider reports a part larger than the whole, the rest
        counts as 0. So does a negative count.
        """
        counts = (
            (usage.input - usage.cached_input - usage.cache_write, self.input),
            (usage.cached_input, self.cached_input),
            (usage.cache_write, self.cache_write),
            (usage.output - usage.reasoning, self.output),
            (usage.reasoning, self.reasoning),
        )
        return sum((max(0, count) * rate for count, rate in counts), Decimal()) / TOKENS_PER_PRICE

    def times(self, factor: Decimal) -> Rates:
        return Rates(*(getattr(self, field.name) * factor for field in fields(self)))

    def worst_usd(self, input_tokens: int, output_tokens: int) -> Decimal:
        """Return the maximum cost of a request with this many tokens of any type."""
        input_price = max(self.input, self.cached_input, self.cache_write)
        output_price = max(self.output, self.reasoning)
        total = input_tokens * input_price + output_tokens * output_price
        return total / TOKENS_PER_PRICE


@dataclass(frozen=True, slots=True)
class Tier:
    """The rates of long requests.

    They apply to all tokens of a request with more than ``above_input_tokens`` input tokens.
    """

    above_input_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Hours that repeat every week, in UTC. ``end`` is exclusive, and midnight ends the day."""

    weekdays: frozenset[int]
    """ISO 8601 weekdays; 1 is Monday."""
    start: time
    end: time

    def covers(self, at: datetime) -> bool:
        if at.isoweekday() not in self.weekdays:
            return False
        return self.start <= at.time() and (self.end == time() or at.time() < self.end)


@dataclass(frozen=True, slots=True)
class OffPeak:
    """Rates that apply only at some hours, to requests of any length."""

    rates: Rates
    hours: tuple[WeeklyHours, ...]


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """A price per token."""

    rates: Rates
    tiers: tuple[Tier, ...] = ()
    """In ascending order."""
    off_peak: OffPeak | None = None

    def rates_for(self, input_tokens: int, at: datetime) -> Rates:
        """Return the rates of a request with this many input tokens at a point in time."""
        if self.off_peak and any(it.covers(at.astimezone(UTC)) for it in self.off_peak.hours):
            return self.off_peak.rates
        return self.peak_rates_for(input_tokens)

    def peak_rates_for(self, input_tokens: int) -> Rates:
        """Return the rates of a request with this many input tokens at peak hours."""
        return [self.rates, *self._tiers_below(input_tokens)][-1]

    def cost_usd(self, usage: Usage, at: datetime) -> Decimal:
        """Compute the cost of a request at a point in time."""
        return self.rates_for(usage.input, at).cost_usd(usage)

    def worst_usd(self, input_tokens: int, output_tokens: int) -> Decimal:
        """Return the maximum cost, at any time, of a request with at most this many tokens."""
        off_peak = [self.off_peak.rates] if self.off_peak else []
        possible = [self.rates, *self._tiers_below(input_tokens), *off_peak]
        return max(rates.worst_usd(input_tokens, output_tokens) for rates in possible)

    def _tiers_below(self, input_tokens: int) -> Iterator[Rates]:
        return (tier.rates for tier in self.tiers if input_tokens > tier.above_input_tokens)


@dataclass(frozen=True, slots=True)
class ServerPrice:
    """The price of your own server, which costs the same with or without probes."""

    usd_per_hour: Decimal
    """The price of the whole server."""
    concurrency: Decimal
    """The assumed number of concurrent streams, each as fast as the probe."""

    def usd_per_million_output_tokens(self, result: ProbeResult) -> Decimal | None:
        """Return the cost of the server's time per million output tokens.

        It spreads the whole request duration over the output tokens. ``None`` if the probe failed
        or lacks the duration or the usage.
        """
        seconds = result.request_duration_seconds
        if not result.success or not seconds or not result.usage or not result.usage.output:
            return None
        return self.time_usd(seconds) / result.usage.output * TOKENS_PER_PRICE

    def time_usd(self, seconds: float) -> Decimal:
        """Return the cost of one stream's share of the server's time."""
        usd_per_second = self.usd_per_hour / _SECONDS_PER_HOUR / self.concurrency
        return usd_per_second * Decimal(repr(seconds))


Price = TokenPrice | ServerPrice


@dataclass(frozen=True, slots=True)
class Mix:
    """A ratio of input to output tokens, for blending a price into one number."""

    input: Decimal
    output: Decimal

    @property
    def output_share(self) -> Decimal:
        return self.output / (self.input + self.output)

    def blended(self, rates: Rates) -> Decimal:
        """Return the price of the mix in USD per million tokens, without cached tokens."""
        return rates.output * self.output_share + rates.input * (1 - self.output_share)


DEFAULT_MIX = Mix(Decimal(3), Decimal(1))


def finished_cost_usd(result: ProbeResult, price: Price | None) -> Decimal | None:
    """Return the cost of a probe; ``None`` without a token price or reported usage."""
    if result.usage is None or not isinstance(price, TokenPrice):
        return None
    return price.cost_usd(result.usage, datetime.fromtimestamp(result.finished_at, UTC))


def earlier_cost_usd(result: ProbeResult, price: Price | None) -> Decimal | None:
    """Return the cost of the requests before the probe's last one; ``None`` if there were none."""
    if result.earlier_usage is None or not isinstance(price, TokenPrice):
        return None
    return price.cost_usd(result.earlier_usage, datetime.fromtimestamp(result.finished_at, UTC))


def exact(price: float) -> Decimal:
    """Convert a price to the decimal that the user wrote, without binary rounding."""
    return Decimal(repr(price))
