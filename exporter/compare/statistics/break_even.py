"""The monthly cost of given traffic on each side, and the price at which both break even."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from exporter.compare.sample import Sample
from exporter.compare.statistics.findings import Rules, Traffic
from exporter.compare.statistics.levels import Load
from exporter.compare.subject import Party, Subject

DAYS_PER_MONTH = 365.25 / 12
_HOURS_PER_DAY, _DAY_SECONDS, _MILLION = 24.0, 86_400.0, 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyCost:
    """The cost of one side, at list prices and without cached input."""

    party: Party
    input_tokens: float
    output_tokens: float
    """Tokens of a request, as stated or as measured on this side."""
    usd_per_month: float | None = None
    """``None`` if it is unknown."""
    unknown_because: str = ""
    """Why the cost is unknown, and what would show it."""
    servers: int | None = None
    """The number of servers paid by the hour; ``None`` for a price per token."""
    served_by_each: float | None = None
    """The measured output tokens per second of one server; ``None`` without a load test."""
    equal_factor: float | None = None
    """The factor for the candidate's price at which both sides cost the same per month."""


def monthly_costs(
    subject: Subject, samples: Sequence[Sample], rules: Rules, load: Load | None
) -> tuple[MonthlyCost, ...]:
    """Return the cost of the baseline, then of the candidates; empty without stated traffic."""
    traffic = rules.traffic
    if traffic is None:
        return ()
    measured = _tokens_of_a_request(samples)
    baseline, *others = (
        _side(party, traffic.tokens or measured.get(party.name), traffic, load)
        for party in subject.parties
    )
    return baseline, *(_against(side, baseline) for side in others)


def _against(side: MonthlyCost, baseline: MonthlyCost) -> MonthlyCost:
    if not side.usd_per_month or baseline.usd_per_month is None:
        return side
    return replace(side, equal_factor=baseline.usd_per_month / side.usd_per_month)


def _tokens_of_a_request(samples: Sequence[Sample]) -> dict[str, tuple[float, float]]:
    """Return the mean input and output tokens of each target that answered, for the same prompts.

    Only blocks that all of them answered count, if there are any: otherwise, a target that fails on
    long prompts would seem cheaper.
    """
    found: dict[str, dict[int, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        if sample.counts and not sample.failure and sample.tokens:
            found[sample.target][sample.block].append(sample)
    common = set[int]().union(*found.values()).intersection(*found.values())
    return {
        target: _mean_tokens([own for block, own in blocks.items() if block in (common or blocks)])
        for target, blocks in found.items()
    }


def _mean_tokens(blocks: Sequence[Sequence[Sample]]) -> tuple[float, float]:
    return (
        fmean(fmean(sample.input_tokens or 0 for sample in block) for block in blocks),
        fmean(fmean(sample.output_tokens or 0 for sample in block) for block in blocks),
    )


def _side(
    party: Party, tokens: tuple[float, float] | None, traffic: Traffic, load: Load | None
) -> MonthlyCost:
    input_tokens, output_tokens = tokens or (0.0, 0.0)
    side = MonthlyCost(party=party, input_tokens=input_tokens, output_tokens=output_tokens)
    if not input_tokens and not output_tokens:
        return replace(side, unknown_because="no answer reports its tokens; set --request-tokens")
    if party.usd_per_hour is not None:
        return _by_the_hour(side, party.usd_per_hour, traffic, load)
    rates = party.usd_per_million_input, party.usd_per_million_output
    if rates[0] is None or rates[1] is None:
        return replace(side, unknown_because="its price is unknown")
    per_request = (input_tokens * rates[0] + output_tokens * rates[1]) / _MILLION
    return replace(side, usd_per_month=per_request * traffic.requests_per_day * DAYS_PER_MONTH)


def _by_the_hour(
    side: MonthlyCost, usd_per_hour: float, traffic: Traffic, load: Load | None
) -> MonthlyCost:
    """Add the cost of as many servers as the average traffic needs.

    The capacity of a server is the highest throughput measured below the level that certainly
    misses an objective. Without a load test, one server is assumed.
    """
    most = _capacity(side.party.name, load)
    if load and not most:
        return replace(side, unknown_because=_why_no_capacity(side.party.name, load))
    needed = traffic.requests_per_day * side.output_tokens / _DAY_SECONDS
    servers = max(1, math.ceil(needed / most)) if most else 1
    month = servers * usd_per_hour * _HOURS_PER_DAY * DAYS_PER_MONTH
    return replace(side, usd_per_month=month, servers=servers, served_by_each=most)


def _capacity(target: str, load: Load | None) -> float | None:
    if load is None:
        return None
    breaks = [b.breaks_at for b in load.breakings if b.target == target and b.breaks_at]
    rates = [
        side.tokens_per_second.value
        for level in load.levels
        if (side := level.side(target)) and side.tokens_per_second and not side.limited
        if not breaks or level.streams < min(breaks)
    ]
    return max(rates, default=None)


def _why_no_capacity(target: str, load: Load) -> str:
    own = (level.side(target) for level in load.levels)
    if not any(side and side.tokens_per_second for side in own):
        return "no answer under load reports its tokens"
    return "no level shows what a server can serve; set --concurrency to fewer streams"
