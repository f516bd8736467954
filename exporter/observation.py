"""A result together with its interpretation, which every listener shares.

A ``ProbeResult`` records what happened on the wire. Whether its times are reliable, whether the
model was cold, and what the probe cost depend on both the result and the plan. The prober decides
this once, so that all listeners agree.
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
"""A generous bound for the tokens that a chat template adds to a prompt."""

_ZERO = Decimal()


@dataclass(frozen=True, slots=True)
class Cost:
    """The exact cost of a probe."""

    usd: Decimal | None = None
    """The cost by the provider's own token count. ``None`` if the provider didn't report a count,
    or if the target has no price per token."""
    charged_usd: Decimal = _ZERO
    """What counts towards budgets. If the provider didn't report how much it generated, this is the
    worst case."""
    usd_per_million_output_tokens: Decimal | None = None
    """The cost of output on a server that is paid by the hour. ``None`` for other targets, and if
    the probe's times are uncertain."""


class Occasion(Enum):
    """Why a probe was sent."""

    USUAL = auto()
    """It was due, or someone requested it."""
    CONFIRMING = auto()
    """It checks an apparent change in earlier probes. Statistics leave it out, because its timing
    depends on what those probes found."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A result and its interpretation."""

    plan: Plan
    """The plan when the probe was sent. A reload may have changed it since."""
    result: ProbeResult
    certain: bool
    """Whether the exporter read promptly enough for the result's times to be reliable."""
    cost: Cost
    cold: Coldness | None = None
    """Set if the result doesn't describe the warm model."""
    occasion: Occasion = Occasion.USUAL

    @property
    def counts(self) -> bool:
        """Whether statistics include the outcome: the exporter ran the whole time, and earlier
        results didn't trigger the probe."""
        return self.occasion is Occasion.USUAL and not self.result.interrupted


def observed(plan: Plan, result: ProbeResult, occasion: Occasion = Occasion.USUAL) -> Observation:
    """Return the observation of a result, without any cold-start detection."""
    uncertainty = result.uncertainty_seconds or 0.0
    certain = not result.interrupted and uncertainty <= plan.max_uncertainty_seconds
    cost = _cost(plan, result, certain=certain)
    return Observation(plan, result, certain, cost, occasion=occasion)


def worst_usd(plan: Plan) -> Decimal:
    """Return the most that one probe of a plan can cost, in USD.

    Return 0 if the plan has no price per token or its probe uses no tokens. A prompt has at most as
    many tokens as bytes, because text tokenizers work on bytes.
    """
    size = plan.probe.size
    if size is None or not isinstance(plan.price, TokenPrice):
        return _ZERO
    around_each_prompt = len(json.dumps(plan.target.extra_body)) + PROMPT_OVERHEAD_TOKENS
    tokens = size.longest_input_bytes + plan.probe.rounds * around_each_prompt
    return plan.price.worst_usd(tokens, plan.output_tokens)


def _cost(plan: Plan, result: ProbeResult, *, certain: bool) -> Cost:
    match plan.price:
        case TokenPrice() as price:
            usd = finished_cost_usd(result, price)
            charged = _unknown_usd(plan, result) if usd is None else usd
            if earlier := earlier_cost_usd(result, price):
                usd, charged = (usd or _ZERO) + earlier, charged + earlier
            if result.earlier_uncounted:
                charged = max(charged, worst_usd(plan))
            return Cost(usd, charged)
        case ServerPrice() as price if certain:
            return Cost(usd_per_million_output_tokens=price.usd_per_million_output_tokens(result))
    return Cost()


def _unknown_usd(plan: Plan, result: ProbeResult) -> Decimal:
    refused = result.timeline.sent is None or result.status not in {None, httpx.codes.OK}
    return _ZERO if refused else worst_usd(plan)
