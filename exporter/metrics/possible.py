"""Which series a plan can ever fill, so that the others aren't exported as zeros.

Failure reasons are the exception. Each one exists from the start for every plan, because any
provider can return any error.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from exporter.config.plan import Plan
from exporter.kinds import Chat, Kind
from exporter.prices.price import TokenPrice
from exporter.result import SkipReason

Possible = Callable[[Plan, tuple[str, ...]], bool]
"""Returns whether a plan can fill the series with these values of the family's own labels. It is
called for series that would exist from the start. If it returns ``False``, the series starts with
its first value, if it ever gets one."""


def always(_plan: Plan, _own: tuple[str, ...]) -> bool:
    return True


def streamed(plan: Plan, _own: tuple[str, ...]) -> bool:
    """Only streamed answers have these series."""
    return plan.probe.streams


def cold(plan: Plan, _own: tuple[str, ...]) -> bool:
    """Only models that are known to go cold have these series."""
    return plan.probe.runs_model and (
        plan.target.cold_start is not None or bool(plan.target.watched_boot)
    )


def of_kind(kind: Kind) -> Possible:
    """Only probes of one kind have these series."""
    return lambda plan, _own: plan.probe.kind is kind


def with_tools(plan: Plan, _own: tuple[str, ...]) -> bool:
    """Only probes that offer tools have these series."""
    return isinstance(plan.probe, Chat) and bool(plan.probe.tools)


def counted_cold(plan: Plan, own: tuple[str, ...]) -> bool:
    """Series of cold starts start at zero if cold starts are expected or reported by the provider.
    Otherwise they start with the first one."""
    return cold(plan, own) or (plan.probe.runs_model and plan.target.row.tells_load_time)


def run(plan: Plan, _own: tuple[str, ...]) -> bool:
    """Only probes that run the model have these series."""
    return plan.probe.runs_model


def priced(plan: Plan, own: tuple[str, ...]) -> bool:
    """Only probes that run a model with a known price per token have these series."""
    return run(plan, own) and isinstance(plan.price, TokenPrice)


def skipped(plan: Plan, own: tuple[str, ...]) -> bool:
    """Only targets with ``cold_start`` skip probes for the reason of that name."""
    return own != (SkipReason.COLD_START,) or plan.target.cold_start is not None


def phases(plan: Plan, own: tuple[str, ...]) -> bool:
    """An IP address needs no DNS phase, and plain HTTP no TLS phase."""
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
