"""Converts an entry of LiteLLM's price file to a price. The file has costs in USD per token."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import time
from decimal import Decimal, InvalidOperation

from exporter.prices.price import TOKENS_PER_PRICE, OffPeak, Rates, Tier, TokenPrice, WeeklyHours

Entry = Mapping[str, object]

_FIELDS = {
    "input": ("input_cost_per_token",),
    "output": ("output_cost_per_token",),
    "cached_input": ("cache_read_input_token_cost", "input_cost_per_token_cache_hit"),
    "cache_write": ("cache_creation_input_token_cost",),
    "reasoning": ("output_cost_per_reasoning_token",),
}
"""The fields of the price file for each token type. If cache writes have several lifetimes, the
field is for the shortest one, which is the default of a request."""

_COSTS_OF_THE_REQUEST = ("input_cost_per_request", "input_cost_per_query")
_SERVICE_TIERS = {"balanced", "batches", "flex", "priority", "ultrafast"}
_MOST = 10**12
"""The maximum number of tokens or USD. Keeps decimal arithmetic within its limits."""
_THRESHOLD = re.compile(r"(?:input|output)_cost_per_token_above_([0-9]{1,9})k_tokens")
_REGIONAL = "regional_processing_uplift_multiplier_"


class UnknownPrice(Exception):
    """There is no reliable price. ``str`` gives the reason."""


def token_price(
    key: str, entry: Entry, service_tier: object = None, processed_in: str | None = None
) -> TokenPrice:
    """Convert an entry to a price.

    :param service_tier: the ``service_tier`` of requests; unknown tiers have the normal price.
    :param processed_in: ``eu`` or ``us`` if the endpoint charges for processing data there.
    :raises UnknownPrice: the entry doesn't give the cost of a request.
    """
    if any(map(entry.get, _COSTS_OF_THE_REQUEST)):
        raise UnknownPrice(f"{key!r} has a price per request in addition to token prices")
    known_tier = isinstance(service_tier, str) and service_tier in _SERVICE_TIERS
    prices = _Prices(key, entry, f"_{service_tier}" if known_tier else "")
    try:
        factor = prices.number(entry.get(f"{_REGIONAL}{processed_in}", 1))
        price = TokenPrice(prices.base(), tuple(prices.tiers()), prices.off_peak())
        return _scaled(price, factor * TOKENS_PER_PRICE)
    except (TypeError, ValueError, ArithmeticError) as error:  # the file's format changes
        raise UnknownPrice(f"{key!r} cannot be parsed: {error}") from None


@dataclass(frozen=True, slots=True)
class _Prices:
    """The unconverted prices in one entry. ``suffix`` selects the service tier."""

    key: str
    entry: Entry
    suffix: str

    def base(self) -> Rates:
        ranges = self._ranges()
        return self._rates(ranges[0][1] if ranges else {})

    def tiers(self) -> Iterator[Tier]:
        """Yield the prices of long input. ``tiered_pricing`` overrides the other fields."""
        if ranges := self._ranges():
            yield from (Tier(above, self._rates(given)) for above, given in ranges[1:])
            return
        for thousands in self._thresholds():
            if given := self._given(self.entry, f"_above_{thousands}k_tokens{self.suffix}"):
                yield Tier(self._last_below(thousands), self._rates(given))

    def off_peak(self) -> OffPeak | None:
        pricing = self.entry.get("off_peak_pricing")
        if not isinstance(pricing, dict):
            return None
        rates = self._rates(self._given(pricing, ""))
        hours = (it for each in pricing.get("windows", ()) for it in self._hours(each))
        return OffPeak(rates, tuple(hours))

    def number(self, value: object) -> Decimal:
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal(-1)
        if not (number.is_finite() and 0 <= number <= _MOST):
            raise UnknownPrice(f"{self.key!r} has the invalid price {str(value)[:40]!r}")
        return number

    def _thresholds(self) -> list[int]:
        return sorted({int(found[1]) for found in map(_THRESHOLD.match, self.entry) if found})

    def _last_below(self, thousands: int) -> int:
        """Return the last number of input tokens at the lower price.

        For xAI, the higher price starts at the threshold; for all others, above it.
        """
        at_threshold = self.entry.get("litellm_provider") == "xai"
        return thousands * 1000 - (1 if at_threshold else 0)

    def _ranges(self) -> list[tuple[int, Mapping[str, Decimal]]]:
        tiers = self.entry.get("tiered_pricing")
        if self.suffix or not isinstance(tiers, list):
            return []
        found = [
            (int(self.number(tier["range"][0])), self._given(tier, ""))
            for tier in tiers
            if isinstance(tier, dict) and isinstance(tier.get("range"), list) and tier["range"]
        ]
        return sorted(found, key=lambda tier: tier[0])

    def _hours(self, window: object) -> Iterator[WeeklyHours]:
        if not isinstance(window, dict):
            raise UnknownPrice(f"{self.key!r} has invalid off-peak hours {window!r}")
        hours, days = window.get("hours_utc"), window.get("weekdays")
        weekdays = frozenset(days if isinstance(days, list) else range(1, 8))
        for span in hours if isinstance(hours, list) else [hours]:
            try:
                start, end = map(time.fromisoformat, str(span).split("-"))
            except ValueError:
                raise UnknownPrice(f"{self.key!r} has invalid off-peak hours {span!r}") from None
            yield WeeklyHours(weekdays, start, end)

    def _given(self, fields: Mapping[str, object], suffix: str) -> Mapping[str, Decimal]:
        """Return the rates in the fields with this suffix."""
        return {
            ours: self.number(fields[theirs[0]])
            for ours, names in _FIELDS.items()
            if (theirs := [n + suffix for n in names if fields.get(n + suffix) is not None])
        }

    def _rates(self, given: Mapping[str, Decimal]) -> Rates:
        """Return these rates, with missing ones from the price of a short request."""
        try:
            return Rates.of({**self._given(self.entry, self.suffix), **given})
        except KeyError as missing:
            tier = f" in the service tier {self.suffix[1:]}" if self.suffix else ""
            what = f"{self.key!r} has no price for {missing.args[0]} tokens{tier}"
            raise UnknownPrice(what) from None


def _scaled(price: TokenPrice, factor: Decimal) -> TokenPrice:
    off_peak = price.off_peak
    return TokenPrice(
        price.rates.times(factor),
        tuple(Tier(tier.above_input_tokens, tier.rates.times(factor)) for tier in price.tiers),
        OffPeak(off_peak.rates.times(factor), off_peak.hours) if off_peak else None,
    )
