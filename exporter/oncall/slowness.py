"""Finds likely causes of slowness in the latest result and in the history of a target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from exporter.oncall.answers import Answer, rounded
from exporter.oncall.clients import History, Row
from exporter.prometheus.client import matching

_SLOWER = 0.2
"""A target is slow if it takes a fifth longer than usual."""
_UNCERTAIN_SECONDS = 0.01
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Usual:
    """A target compared with its own history. ``None`` means unknown."""

    first_token_seconds: float | None
    first_token_slower: float | None
    """The change over 15 minutes, relative to the same hour in the last week: 0.5 is 50 %
    slower."""
    each_token_slower: float | None
    places_affected: float | None
    """The share of locations from which the target is slow."""
    place_degraded: bool
    model_changes: float | None
    throttled: float | None
    """The number of probes that the provider rejected in the last hour."""

    @classmethod
    def of(cls, history: History, target: str) -> Usual:
        """Read the history of a target.

        :raises RequestFailed: Prometheus does not answer.
        """
        first = matching(target=target, measure="time_to_first_token")
        each = matching(target=target, measure="time_per_output_token")
        own = matching(target=target)
        slow = matching(target=target, problem="slow")
        degraded = (
            "instance:inference_vantage_point:degraded and on (job, namespace, instance, location)"
            f" inference_last_probe_success{own}"
        )
        throttled = '{reason=~"rate_limited|quota|overloaded",' + own[1:]
        return cls(
            history.number(f"exp(target:inference_latency:usual_ln{first})"),
            history.number(f"exp(target:inference_latency:deviation_15m{first}) - 1"),
            history.number(f"exp(target:inference_latency:deviation_15m{each}) - 1"),
            history.number(f"target:inference_places:affected_ratio{slow}"),
            bool(history.number(degraded)),
            history.number(f"increase(inference_served_model_changes_total{own}[1d])"),
            history.number(f"sum(increase(inference_probe_failures_total{throttled}[1h]))"),
        )

    def known(self) -> Answer:
        """The known values."""
        fields = {name: rounded(getattr(self, name)) for name in self.__slots__}
        return {name: value for name, value in fields.items() if value is not None}


def of_the_latest(row: Row) -> Iterator[str]:
    """Yield likely causes from the latest result alone."""
    last = row["last"]
    if last is None:
        return
    if (last["uncertainty_seconds"] or 0) > _UNCERTAIN_SECONDS:
        yield "The exporter itself read late, so this time is uncertain: check its CPU first."
    if last["cold"]:
        yield "The model was cold: this is a cold start, not its usual speed."
    connection = last["connection"]
    opening = sum(v for v in (connection or {}).values() if isinstance(v, float))
    first_token = last["time_to_first_token_seconds"]
    if first_token and opening > first_token * _HALF:
        yield (
            f"Opening the connection took {opening:.2f} s. Time to first token doesn't include"
            " that, but users on new connections notice it: check the network, DNS, and TLS."
        )


def of_the_past(usual: Usual) -> Iterator[str]:
    """Yield likely causes from the comparison with the target's history, the most local first."""
    if usual.place_degraded:
        yield "Most targets of this exporter have problems: the cause is its location or network."
    if usual.places_affected == 1:
        yield "The target is slow from every location: the cause is the provider."
    elif usual.places_affected is not None and usual.places_affected <= _HALF:
        yield "The target is slow from few locations: the cause is the network path."
    first, each = usual.first_token_slower, usual.each_token_slower
    if first is not None and each is not None:
        yield _by_shape(first > _SLOWER, each > _SLOWER)
    if usual.model_changes:
        yield "The provider switched to another model in the last day: compare before and after."
    if usual.throttled:
        yield "The provider rejected probes in the last hour: capacity or your quota is short."


def _by_shape(first: bool, each: bool) -> str:
    if first and each:
        return "The first and later tokens are slower: an overloaded or a different server."
    if first:
        return "Only the first token is slower: requests wait in a queue, or prefill is slow."
    if each:
        return "Only the later tokens are slower: larger batches, or a slower accelerator."
    return "The target is not slower than usual at this hour."
