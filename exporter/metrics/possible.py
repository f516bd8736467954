"""Which series a plan can ever fill, so that one that it cannot fill is not shown as zeroes.

Each failure reason exists at zero from the start, whatever the plan: providers answer as they like.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from exporter.config.plan import Plan
from exporter.kinds import Chat, Kind
from exporter.result import SkipReason

Possible = Callable[[Plan, tuple[str, ...]], bool]
"""Whether a plan gives series with these values of a family's own labels. It is asked for those
that would exist from the start. A series of which it says no comes with its first value, should
there be one after all."""


def always(_plan: Plan, _own: tuple[str, ...]) -> bool:
    return True


def streamed(plan: Plan, _own: tuple[str, ...]) -> bool:
    """What only a streamed answer has."""
    return plan.probe.streams


def cold(plan: Plan, _own: tuple[str, ...]) -> bool:
    """What only a model has that is known to be cold at times."""
    return plan.probe.runs_model and (
        plan.target.cold_start is not None or bool(plan.target.watched_boot)
    )


def of_kind(kind: Kind) -> Possible:
    """What only probes of one kind have."""
    return lambda plan, _own: plan.probe.kind is kind


def with_tools(plan: Plan, _own: tuple[str, ...]) -> bool:
    """What only probes have that offer tools."""
    return isinstance(plan.probe, Chat) and bool(plan.probe.tools)


def counted_cold(plan: Plan, own: tuple[str, ...]) -> bool:
    """Cold starts can be counted where nothing says that there are any; they are from zero on where
    they are to be expected."""
    return cold(plan, own) or (plan.probe.runs_model and plan.target.row.tells_load_time)


def run(plan: Plan, _own: tuple[str, ...]) -> bool:
    """What only a model that is run takes."""
    return plan.probe.runs_model


def skipped(plan: Plan, own: tuple[str, ...]) -> bool:
    """Nobody leaves a target alone that is not to become cold."""
    return own != (SkipReason.COLD_START,) or plan.target.cold_start is not None


def phases(plan: Plan, own: tuple[str, ...]) -> bool:
    """A connection has no phase for what its address does without."""
    address = urlsplit(plan.target.endpoint)
    match own:
        case ("dns",):
            return not _is_number(address.hostname or "")
        case ("tls",):
            return address.scheme == "https"
        case _:
            return True


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
