"""From tokens to money."""

from __future__ import annotations

from decimal import Decimal

from exporter.config import Price
from exporter.result import Usage

TOKENS_PER_PRICE = Decimal(1_000_000)


def cost_usd(usage: Usage, price: Price) -> Decimal:
    """What one request cost, exactly.

    Cached input and cache writes are parts of the input and are charged at their own price;
    a provider that reports more of them than input is charged for no negative rest.
    """
    uncached = max(0, usage.input - usage.cached_input - usage.cache_write)
    return (
        uncached * usd(price.input)
        + usage.cached_input * usd(price.input, price.cached_input)
        + usage.cache_write * usd(price.input, price.cache_write)
        + usage.output * usd(price.output)
    ) / TOKENS_PER_PRICE


def usd(price: float, own: float | None = None) -> Decimal:
    """A price as it was written, free of binary rounding; ``own`` wins where it is set."""
    return Decimal(repr(price if own is None else own))
