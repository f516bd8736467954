"""Configuration of prices and budgets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from exporter.prices.price import Rates, ServerPrice, Tier, TokenPrice, exact
from exporter.settings.paths import FilePath
from exporter.settings.types import Located, Model, raise_all

_USD = "USD"
_MOST = 1e9
"""No price or budget is higher, so a higher value is a mistake."""
_CURRENCY = r"^[A-Z]{3}$"


def _code(currency: str) -> str:
    if not re.fullmatch(_CURRENCY, currency):
        raise ValueError("must be a currency code of three capital letters, such as EUR")
    return currency


def _foreign(currency: str) -> str:
    if currency == _USD:
        raise ValueError("the rates are in USD; remove it")
    return currency


Amount = Annotated[float, Field(ge=0, le=_MOST)]
Currency = Annotated[
    str, AfterValidator(_code), WithJsonSchema({"type": "string", "pattern": _CURRENCY})
]
Currencies = dict[
    Annotated[Currency, AfterValidator(_foreign)], Annotated[float, Field(gt=0, le=_MOST)]
]


class TierSettings(Model):
    """The price of long requests. Missing prices default to those of short requests."""

    input_tokens: int = Field(ge=1)
    """The tier applies to all tokens of a request with more input tokens than this."""
    input: Amount | None = None
    output: Amount | None = None
    cached_input: Amount | None = None
    cache_write: Amount | None = None
    reasoning: Amount | None = None


class TokenPriceSettings(Model):
    """Prices per million tokens."""

    input: Amount
    output: Amount
    cached_input: Amount | None = None
    """Input read from the provider's cache. Defaults to the price of ``input``."""
    cache_write: Amount | None = None
    """Input written to the provider's cache. Defaults to the price of ``input``."""
    reasoning: Amount | None = None
    """Reasoning output. Defaults to the price of ``output``."""
    currency: Currency = _USD
    """``USD``, or one of the ``currencies``."""
    above: tuple[TierSettings, ...] = ()
    """Price tiers for requests with long input, in ascending order."""

    @model_validator(mode="after")
    def _tiers_ascend(self) -> Self:
        raise_all("price", self._tier_mistakes())
        return self

    def _tier_mistakes(self) -> Iterator[Located]:
        limits = [tier.input_tokens for tier in self.above]
        for index, (limit, below) in enumerate(zip(limits[1:], limits, strict=False), 1):
            if limit <= below:
                wrong = ValueError("must be more than in the previous tier")
                yield ("above", index, "input_tokens"), wrong

    def in_usd(self, currencies: Mapping[str, float]) -> TokenPrice:
        """Convert the price to USD.

        :param currencies: the value of one unit of each currency, in USD.
        :raises KeyError: the price's currency isn't one of them.
        """
        worth = Decimal(1) if self.currency == _USD else exact(currencies[self.currency])
        base = _amounts(self, worth)
        tiers = (
            Tier(tier.input_tokens, Rates.of({**base, **_amounts(tier, worth)}))
            for tier in self.above
        )
        return TokenPrice(Rates.of(base), tuple(tiers))


def _amounts(prices: TokenPriceSettings | TierSettings, worth: Decimal) -> Mapping[str, Decimal]:
    amounts = {field.name: getattr(prices, field.name) for field in fields(Rates)}
    return {name: exact(amount) * worth for name, amount in amounts.items() if amount is not None}


class ServerPriceSettings(Model):
    """The hourly price of your own server."""

    usd_per_hour: float = Field(gt=0, le=_MOST)
    """The price of one GPU, including its share of the machine."""
    gpus: int = Field(default=1, ge=1, le=1_000_000)
    """Number of GPUs that serve the model."""
    concurrency: float = Field(default=1, gt=0)
    """Number of streams that the server is assumed to serve at once, each as fast as the probe."""

    def whole_server(self) -> ServerPrice:
        return ServerPrice(exact(self.usd_per_hour) * self.gpus, exact(self.concurrency))


def _kind(value: object) -> str:
    hourly = isinstance(value, dict) and not {"usd_per_hour", "gpus"}.isdisjoint(value)
    return "server" if hourly or isinstance(value, ServerPriceSettings) else "tokens"


PriceSettings = Annotated[
    Annotated[TokenPriceSettings, Tag("tokens")] | Annotated[ServerPriceSettings, Tag("server")],
    Discriminator(_kind),
]
"""A price per token or per hour. The keys tell which one it is."""


def currency_mistakes(
    price: PriceSettings | None, currencies: Mapping[str, float]
) -> Iterator[Located]:
    """Yield an error, at its location in a target, if the price's currency has no exchange rate."""
    if isinstance(price, TokenPriceSettings) and price.currency not in {_USD, *currencies}:
        missing = f"has no rate; set currencies: {{{price.currency}: USD per unit}}"
        yield ("price", "currency"), ValueError(missing)


class TargetBudget(Model):
    """The budget for the probes of one target.

    If the next probe could cost more than what is left, the exporter skips the target's probes for
    the rest of the day (UTC).
    """

    usd_per_day: float = Field(gt=0, le=_MOST)


class Budget(Model):
    """The budget for all probes together."""

    usd_per_day: float | None = Field(default=None, gt=0, le=_MOST)
    state_file: FilePath | None = None
    """File that keeps the day's spend across restarts. Its folder must exist and be writable."""


class PriceMix(Model):
    """The ratio of input to output tokens for blended prices."""

    input: float = Field(default=3, ge=0)
    output: float = Field(default=1, gt=0)
