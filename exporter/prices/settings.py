"""Configuration of prices and budgets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Discriminator, Field, Tag, model_validator

from exporter.prices.price import Rates, ServerPrice, Tier, TokenPrice, exact
from exporter.settings.paths import FilePath
from exporter.settings.types import Located, Model, raise_all

_USD = "USD"
_MOST = 1e9
"""Nothing costs more, and what is written by mistake should be noticed."""
_CURRENCY = r"^[A-Z]{3}$"

Amount = Annotated[float, Field(ge=0, le=_MOST)]
Currencies = dict[Annotated[str, Field(pattern=_CURRENCY)], Annotated[float, Field(gt=0, le=_MOST)]]


class TierSettings(Model):
    """The price of long requests; what is not set stays as for short ones."""

    input_tokens: int = Field(ge=1)
    """A request with more input tokens than this pays these prices for all of its tokens."""
    input: Amount | None = None
    output: Amount | None = None
    cached_input: Amount | None = None
    cache_write: Amount | None = None
    reasoning: Amount | None = None


class TokenPriceSettings(Model):
    """The price of a million tokens."""

    input: Amount
    output: Amount
    cached_input: Amount | None = None
    """Input read from the provider's cache; the price of ``input`` where not set."""
    cache_write: Amount | None = None
    """Input stored into the provider's cache; the price of ``input`` where not set."""
    reasoning: Amount | None = None
    """Output that is reasoning; the price of ``output`` where not set."""
    currency: str = _USD
    """``USD``, or one of the ``currencies``."""
    above: tuple[TierSettings, ...] = ()
    """Prices of requests with long input, from the shortest up."""

    @model_validator(mode="after")
    def _tiers_ascend(self) -> Self:
        raise_all("price", self._tier_mistakes())
        return self

    def _tier_mistakes(self) -> Iterator[Located]:
        limits = [tier.input_tokens for tier in self.above]
        for index, (limit, below) in enumerate(zip(limits[1:], limits, strict=False), 1):
            if limit <= below:
                wrong = ValueError("must be more than in the tier before it")
                yield ("above", index, "input_tokens"), wrong

    def in_usd(self, currencies: Mapping[str, float]) -> TokenPrice:
        """The price by these rates of exchange.

        :raises KeyError: the price's currency is not among them.
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
    """The price of a server of one's own, by the hour."""

    usd_per_hour: float = Field(gt=0, le=_MOST)
    """One GPU, with its share of the server around it."""
    gpus: int = Field(default=1, ge=1, le=1_000_000)
    """How many GPUs serve the model."""
    concurrency: float = Field(default=1, gt=0)
    """How many streams the server is taken to serve at once, each as fast as the probe's."""

    def whole_server(self) -> ServerPrice:
        return ServerPrice(exact(self.usd_per_hour) * self.gpus, exact(self.concurrency))


def _kind(value: object) -> str:
    hourly = isinstance(value, dict) and not {"usd_per_hour", "gpus"}.isdisjoint(value)
    return "server" if hourly or isinstance(value, ServerPriceSettings) else "tokens"


PriceSettings = Annotated[
    Annotated[TokenPriceSettings, Tag("tokens")] | Annotated[ServerPriceSettings, Tag("server")],
    Discriminator(_kind),
]
"""Either of the two; an hourly price is known by its keys."""


def currency_mistakes(
    prices: Iterable[PriceSettings | None], currencies: Mapping[str, float]
) -> Iterator[Located]:
    """Which of the targets' prices are in a currency that has no rate."""
    for index, price in enumerate(prices):
        if isinstance(price, TokenPriceSettings) and price.currency not in {_USD, *currencies}:
            missing = f"has no rate; set currencies: {{{price.currency}: USD for one of it}}"
            yield ("targets", index, "price", "currency"), ValueError(missing)


class TargetBudget(Model):
    """What probing a target can cost. The exporter skips its probes for the rest of the day (UTC)
    once the next probe could cost more than is left."""

    usd_per_day: float = Field(gt=0)


class Budget(Model):
    """What all probing together may cost."""

    usd_per_day: float | None = Field(default=None, gt=0)
    state_file: FilePath | None = None
    """Where the day's spend is kept, so that a restart does not forget it. Its folder must exist
    and be writable."""


class PriceMix(Model):
    """How many input tokens go with how many output tokens where prices are blended into one."""

    input: float = Field(default=3, ge=0)
    output: float = Field(default=1, gt=0)
