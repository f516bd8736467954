"""Why a target is slow: what is known, and what it speaks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from exporter.oncall.answers import Answer, rounded
from exporter.oncall.asking import Memory, Row
from exporter.prometheus.client import matching

_SLOWER = 0.2
"""A fifth above usual is slow."""
_UNCERTAIN_SECONDS = 0.01
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Usual:
    """How a target is against its own past; ``None`` where that is not known."""

    first_token_seconds: float | None
    first_token_slower: float | None
    """0.5 is half as long again as at this hour of the last week, over 15 minutes."""
    each_token_slower: float | None
    places_affected: float | None
    """From what share of several places it is slow."""
    place_degraded: bool
    model_changes: float | None
    throttled: float | None
    """Probes of the last hour that were turned away."""

    @classmethod
    def of(cls, memory: Memory, target: str) -> Usual:
        """:raises Unanswered: Prometheus does not answer."""
        first = matching(target=target, measure="time_to_first_token")
        each = matching(target=target, measure="time_per_output_token")
        own = matching(target=target)
        turned_away = '{reason=~"rate_limited|quota|overloaded",' + own[1:]
        return cls(
            memory.number(f"exp(target:inference_latency:usual_ln{first})"),
            memory.number(f"exp(target:inference_latency:deviation_15m{first}) - 1"),
            memory.number(f"exp(target:inference_latency:deviation_15m{each}) - 1"),
            memory.number(f"target:inference_places:affected_ratio{own}"),
            bool(memory.number("instance:inference_vantage_point:degraded")),
            memory.number(f"increase(inference_served_model_changes_total{own}[1d])"),
            memory.number(f"sum(increase(inference_probe_failures_total{turned_away}[1h]))"),
        )

    def known(self) -> Answer:
        """What is known of it."""
        fields = {name: rounded(getattr(self, name)) for name in self.__slots__}
        return {name: value for name, value in fields.items() if value is not None}


def of_the_latest(row: Row) -> Iterator[str]:
    """What the latest result speaks for, whatever was before."""
    last = row["last"]
    if last is None:
        return
    if (last["uncertainty_seconds"] or 0) > _UNCERTAIN_SECONDS:
        yield "The exporter itself read late, so this time is uncertain: look at its CPU first."
    if last["cold"]:
        yield "The model was cold: this is a cold start, not its usual speed."
    connection = last["connection"]
    opening = sum(v for v in (connection or {}).values() if isinstance(v, float))
    first_token = last["time_to_first_token_seconds"]
    if first_token and opening > first_token * _HALF:
        yield (
            f"Opening the connection took {opening:.2f} s. That is no part of the time to first"
            " token, but users on new connections feel it: look at the network, DNS and TLS."
        )


def of_the_past(usual: Usual) -> Iterator[str]:
    """What the comparison with its own past speaks for, the nearest cause first."""
    if usual.place_degraded:
        yield "Most targets of this exporter have trouble at once: it is the place, not the target."
    if usual.places_affected == 1:
        yield "It is slow from every place: it is the provider."
    elif usual.places_affected is not None and usual.places_affected <= _HALF:
        yield "It is slow from few of the places: it is the way there, not the provider."
    first, each = usual.first_token_slower, usual.each_token_slower
    if first is not None and each is not None:
        yield _by_shape(first > _SLOWER, each > _SLOWER)
    if usual.model_changes:
        yield "The provider began to serve another model within a day: compare before and after."
    if usual.throttled:
        yield "Probes were turned away within the last hour: it is short of capacity, or of quota."


def _by_shape(first: bool, each: bool) -> str:
    if first and each:
        return "First and further tokens are both slower: an overloaded or a different server."
    if first:
        return "Only the first token is slower: requests queue, or the prompt is read slowly."
    if each:
        return "Only the further tokens are slower: larger batches, or a slower accelerator."
    return "It is not slower than usual at this hour."
