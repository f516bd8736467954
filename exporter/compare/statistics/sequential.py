"""Looking several times without fooling oneself.

Each look spends a part of the allowed error, and no more than that; whatever is decided at any
look, the chance that one of the looks was wrong stays below the sum. The parts follow
``alpha * (share of the planned probes)**2`` (Kim and DeMets 1987), so that most is left for the
end, where the most is known. The bound is Bonferroni's: it needs nothing to be assumed of how the
looks hang together, and costs a little power.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

LOOKS = 5
_EXPONENT = 2


@dataclass(frozen=True, slots=True)
class Look:
    """One look: after so many probes of each target, at this level of error."""

    number: int
    probes: int
    alpha: float


def looks(planned_probes: int, alpha: float) -> tuple[Look, ...]:
    """The looks at a comparison of so many probes per target; their levels sum up to ``alpha``."""
    at = [planned_probes * number // LOOKS for number in range(LOOKS + 1)]
    return tuple(
        Look(
            number, now, _spent(now, planned_probes, alpha) - _spent(before, planned_probes, alpha)
        )
        for number, (before, now) in enumerate(pairwise(at), 1)
    )


def look_at(probes: int, planned_probes: int, alpha: float) -> Look:
    """The look after so many probes, whether planned there or forced by the budget: it has what
    was spent neither by the planned looks before it nor is kept for those to come."""
    before = [look for look in looks(planned_probes, alpha) if look.probes < probes]
    spent = _spent(before[-1].probes if before else 0, planned_probes, alpha)
    return Look(len(before) + 1, probes, _spent(probes, planned_probes, alpha) - spent)


def _spent(probes: int, planned_probes: int, alpha: float) -> float:
    return alpha * float(min(probes, planned_probes) / planned_probes) ** _EXPONENT
