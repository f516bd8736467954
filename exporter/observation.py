"""What a result means: judged once, by the prober, and told to every listener.

A ``ProbeResult`` says what happened on the wire. Whether its times can be trusted, whether the
model was cold and what the probe cost follow from the result and the plan together; every listener
must give the same answer to each, so none of them works it out for itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto

import httpx

from exporter.coldness import Coldness
from exporter.config.plan import Plan
from exporter.prices.price import ServerPrice, TokenPrice, earlier_cost_usd, finished_cost_usd
from exporter.result import ProbeResult

PROMPT_OVERHEAD_TOKENS = 256
"""More than the templates of chat models put around a prompt."""

_ZERO = Decimal()


@dataclass(frozen=True, slots=True)
class Cost:
    """What a probe cost, exactly."""

    usd: Decimal | None = None
    """By the provider's own count of tokens; ``None`` where the provider did not count them, or
    the target has no price per token."""
    charged_usd: Decimal = _ZERO
    """What counts towards budgets: the worst case where something was generated, or may have
    been, and the provider did not say how much."""
    usd_per_million_output_tokens: Decimal | None = None
    """What the time of a server paid by the hour came to; ``None`` for any other target, and where
    the probe's times are not certain."""


class Occasion(Enum):
    """Why a probe was sent."""

    USUAL = auto()
    """It was due, or somebody asked for it."""
    CONFIRMING = auto()
    """Earlier probes looked as if something had changed. Whatever it finds was looked for, so it
    counts in no statistics."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A result and what it means."""

    plan: Plan
    """As it was when the probe was sent; a reload may have changed it since."""
    result: ProbeResult
    certain: bool
    """Whether the exporter read promptly enough for the result's times to be used."""
    cost: Cost
    cold: Coldness | None = None
    """Set where the result says nothing about the warm model."""
    occasion: Occasion = Occasion.USUAL

    @property
    def counts(self) -> bool:
        """Whether the outcome belongs into statistics: the exporter ran all the while, and the
        time of the probe did not depend on what earlier ones had found."""
        return self.occasion is Occasion.USUAL and not self.result.interrupted


def observed(plan: Plan, result: ProbeResult, occasion: Occasion = Occasion.USUAL) -> Observation:
    """The observation of a result, before anybody has looked for signs of a cold model."""
    uncertainty = result.uncertainty_seconds or 0.0
    certain = not result.interrupted and uncertainty <= plan.max_uncertainty_seconds
    cost = _cost(plan, result, certain=certain)
    return Observation(plan, result, certain, cost, occasion=occasion)


def worst_usd(plan: Plan) -> Decimal:
    """The most that one probe of a plan can cost; 0 where it has no price per token or spends none.

    Tokenizers for text work on bytes, so a prompt has no more tokens than bytes.
    """
    size = plan.probe.size
    if size is None or not isinstance(plan.price, TokenPrice):
        return _ZERO
    extra = len(json.dumps(plan.target.extra_body))
    tokens = size.longest_input_bytes + extra + PROMPT_OVERHEAD_TOKENS
    return plan.price.worst_usd(tokens, size.output_tokens)


def _cost(plan: Plan, result: ProbeResult, *, certain: bool) -> Cost:
    match plan.price:
        case TokenPrice() as price:
            usd = finished_cost_usd(result, price)
            charged = _unknown_usd(plan, result) if usd is None else usd
            if earlier := earlier_cost_usd(result, price):
                usd, charged = (usd or _ZERO) + earlier, charged + earlier
            return Cost(usd, charged)
        case ServerPrice() as price if certain:
            return Cost(usd_per_million_output_tokens=price.usd_per_million_output_tokens(result))
    return Cost()


def _unknown_usd(plan: Plan, result: ProbeResult) -> Decimal:
    refused = result.timeline.sent is None or result.status not in {None, httpx.codes.OK}
    return _ZERO if refused else worst_usd(plan)
