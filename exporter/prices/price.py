"""From tokens to money: exact decimals, in USD, with prices per million tokens."""

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
        """The rates in a price list that may leave some out: cached input and cache writes then
        cost what input costs, reasoning what output costs. A rate of 0 is a rate.

        :raises KeyError: ``input`` or ``output`` is left out.
        """
        return cls(
            input=given["input"],
            cached_input=given.get("cached_input", given["input"]),
            cache_write=given.get("cache_write", given["input"]),
            output=given["output"],
            reasoning=given.get("reasoning", given["output"]),
        )

    def cost_usd(self, usage: Usage) -> Decimal:
        """What one request cost, exactly.

        Cached input and cache writes are parts of the input, reasoning is a part of the output,
        and each is charged at its own rate. Of a provider that counts a part as larger than the
        whole, the parts are charged, and no negative rest; a negative count is none.
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
        """The most that a request with this many tokens, of any type, can cost."""
        dearest_input = max(self.input, self.cached_input, self.cache_write)
        dearest_output = max(self.output, self.reasoning)
        total = input_tokens * dearest_input + output_tokens * dearest_output
        return total / TOKENS_PER_PRICE


@dataclass(frozen=True, slots=True)
class Tier:
    """The rates of long requests: all tokens of a request with more than ``above_input_tokens``
    are charged at them, not only those beyond."""

    above_input_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Hours that come back every week, in UTC; ``end`` is not part of them, and an ``end`` of
    midnight is the end of the day."""

    weekdays: frozenset[int]
    """1 is Monday, as in ISO 8601."""
    start: time
    end: time

    def covers(self, at: datetime) -> bool:
        if at.isoweekday() not in self.weekdays:
            return False
        return self.start <= at.time() and (self.end == time() or at.time() < self.end)


@dataclass(frozen=True, slots=True)
class OffPeak:
    """Rates that hold in some hours only, for requests of every length."""

    rates: Rates
    hours: tuple[WeeklyHours, ...]


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """What a provider asks for tokens."""

    rates: Rates
    tiers: tuple[Tier, ...] = ()
    """In ascending order."""
    off_peak: OffPeak | None = None

    def rates_for(self, input_tokens: int, at: datetime) -> Rates:
        """What a request with so many input tokens is charged at this time."""
        if self.off_peak and any(it.covers(at.astimezone(UTC)) for it in self.off_peak.hours):
            return self.off_peak.rates
        return self.peak_rates_for(input_tokens)

    def peak_rates_for(self, input_tokens: int) -> Rates:
        """What a request with so many input tokens is charged in the dear hours."""
        return [self.rates, *self._tiers_below(input_tokens)][-1]

    def cost_usd(self, usage: Usage, at: datetime) -> Decimal:
        """What a request cost at this time."""
        return self.rates_for(usage.input, at).cost_usd(usage)

    def worst_usd(self, input_tokens: int, output_tokens: int) -> Decimal:
        """The most that a request with at most so many tokens can cost at any time."""
        off_peak = [self.off_peak.rates] if self.off_peak else []
        possible = [self.rates, *self._tiers_below(input_tokens), *off_peak]
        return max(rates.worst_usd(input_tokens, output_tokens) for rates in possible)

    def _tiers_below(self, input_tokens: int) -> Iterator[Rates]:
        return (tier.rates for tier in self.tiers if input_tokens > tier.above_input_tokens)


@dataclass(frozen=True, slots=True)
class ServerPrice:
    """What a server of one's own costs, whether it is probed or not."""

    usd_per_hour: Decimal
    """The whole server."""
    concurrency: Decimal
    """How many streams it is taken to serve at once, each as fast as the probe's."""

    def usd_per_million_output_tokens(self, result: ProbeResult) -> Decimal | None:
        """What the server's time came to per output token, all of a request's time taken
        together; ``None`` where the probe could not measure that."""
        seconds = result.request_duration_seconds
        if not result.success or not seconds or not result.usage or not result.usage.output:
            return None
        usd_per_second = self.usd_per_hour / _SECONDS_PER_HOUR / self.concurrency
        per_token = usd_per_second * Decimal(repr(seconds)) / result.usage.output
        return per_token * TOKENS_PER_PRICE


Price = TokenPrice | ServerPrice


@dataclass(frozen=True, slots=True)
class Mix:
    """How many input tokens go with how many output tokens, to compare prices by one figure."""

    input: Decimal
    output: Decimal

    @property
    def output_share(self) -> Decimal:
        return self.output / (self.input + self.output)

    def blended(self, rates: Rates) -> Decimal:
        """USD per million tokens of the mix, none of them cached."""
        return rates.output * self.output_share + rates.input * (1 - self.output_share)


DEFAULT_MIX = Mix(Decimal(3), Decimal(1))


def finished_cost_usd(result: ProbeResult, price: Price | None) -> Decimal | None:
    """What a probe cost; ``None`` where it has no price by the token, or the provider did not say
    how many tokens it used."""
    if result.usage is None or not isinstance(price, TokenPrice):
        return None
    return price.cost_usd(result.usage, datetime.fromtimestamp(result.finished_at, UTC))


def earlier_cost_usd(result: ProbeResult, price: Price | None) -> Decimal | None:
    """What the requests before the probe's last one cost; ``None`` where there were none."""
    if result.earlier_usage is None or not isinstance(price, TokenPrice):
        return None
    return price.cost_usd(result.earlier_usage, datetime.fromtimestamp(result.finished_at, UTC))


def exact(price: float) -> Decimal:
    """A price as it was written, free of binary rounding."""
    return Decimal(repr(price))
