"""Faults by their command-line names."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.simulator.faults import (
    Compressed,
    ContentFilter,
    Disconnect,
    EmptyAnswer,
    Endless,
    Fault,
    Garbage,
    Hang,
    MissingEndMarker,
    RawResponse,
    Refusal,
    Stall,
)

NAMED: Mapping[str, Fault] = {
    "compressed": Compressed(),
    "content_filter": ContentFilter(),
    "disconnect": Disconnect(),
    "empty": EmptyAnswer(),
    "endless": Endless(),
    "garbage": Garbage(),
    "hang": Hang(),
    "no_end": MissingEndMarker(),
    "refusal": Refusal(),
    "stall": Stall(),
}
_STATUSES = range(200, 600)


def fault_named(name: str) -> Fault:
    """Return the fault of this name. A number is an HTTP status with an empty body.

    :raises ValueError: there is no such fault.
    """
    if name.isdecimal() and int(name) in _STATUSES:
        return RawResponse(int(name))
    if name not in NAMED:
        raise ValueError(f"{name!r} is no fault: give an HTTP status, or one of {', '.join(NAMED)}")
    return NAMED[name]
