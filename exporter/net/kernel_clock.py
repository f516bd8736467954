"""When bytes really arrived: the kernel's receive time, on the monotonic clock.

Linux stamps every received segment with the wall-clock time at which it reached the socket's
queue (``SO_TIMESTAMPNS``, socket(7)), and ``recvmsg`` returns the stamp of the last segment. So a
busy event loop reads late but doesn't measure late. Wall-clock time may be stepped. That's why a
stamp is converted at once to "this long before the read", and only that difference is kept.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

_STEP_NS = 1_000_000
"""If a stamp is this much older than the last time at which the socket was empty, either the clock
was stepped, or the bytes filled a gap that later ones had waited for."""
_MAX_LAG_NS = 60_000_000_000
"""The limit if it isn't known how long the bytes may have waited: no read is a minute late."""
_RESUMING_NS = 2_000_000
"""When a machine resumes, it may deliver bytes and wake this process this far apart."""
_PROMPT_NS = 200_000
_READINGS = 3
_SIMULTANEOUS_NS = 20_000
"""If the readings of two clocks are further apart than this, the process was preempted between
them, and they are read again."""


@dataclass(slots=True, eq=False)
class Arrival:
    """One network read. Two arrivals are equal only if they are the same read. It isn't frozen:
    there is one for each token, and creating a frozen one takes three times as long."""

    at: int
    """When the bytes arrived, monotonic nanoseconds."""
    lag: int | None
    """Nanoseconds from arrival to read; ``None`` where only the time of the read is known."""
    waited: int | None = None
    """The longest that any of the bytes can have waited to be read, in nanoseconds; ``None`` if
    that isn't known."""
    stamp: int | None = None
    """The kernel's own receive time, wall-clock nanoseconds."""
    doubt: int = 0
    """How much earlier even the last of the bytes may have arrived, in nanoseconds."""

    def is_with(self, other: Arrival | None) -> bool:
        """Whether the bytes arrived in the same segment as those of another read."""
        return other is not None and self.stamp is not None and self.stamp == other.stamp

    @property
    def is_prompt(self) -> bool:
        """Whether the arrival of every byte is known well enough."""
        return (self.uncertainty(last=False) or 0) <= _PROMPT_NS

    def uncertainty(self, *, last: bool) -> int | None:
        """How much earlier than ``at`` something in this read may have arrived, in nanoseconds.

        The kernel's stamp belongs to the last bytes.

        :param last: whether it is the last byte of the read.
        """
        if last and self.lag is not None:
            return self.doubt
        if self.waited is None:
            return self.lag
        return max(self.doubt, self.waited - (self.lag or 0))

    def unless_absent(self, began: int, ended: int) -> Arrival:
        """The arrival, given that the process didn't run between two times for an unknown reason.

        If only the process was stopped, the kernel went on stamping. If the whole machine was,
        everything that arrived meanwhile is stamped when it resumes. Monotonic nanoseconds.
        """
        if abs(self.at - ended) > _RESUMING_NS:
            return self
        return replace(self, doubt=max(self.doubt, self.at - began))


def arrival_at(stamp: int | None, empty_at: int | None, *, is_one_segment: bool) -> Arrival:
    """When the bytes that were read just now arrived.

    :param stamp: the kernel's stamp of the last of them, wall-clock nanoseconds.
    :param empty_at: when the socket was last known to be empty, monotonic nanoseconds.
    :param is_one_segment: whether they all arrived in the same segment.
    """
    now, wall, doubt = _both_clocks()
    waited = None if empty_at is None else now - empty_at
    lag = None if stamp is None else wall - stamp
    if lag is None or lag < 0 or lag > _longest(waited):
        return Arrival(now, None, waited)
    if is_one_segment and (waited is None or lag <= waited):
        waited = lag
    return Arrival(now - lag, lag, waited, stamp, doubt)


def on_monotonic_clock(stamp: int) -> tuple[int, int]:
    """A wall-clock time of a moment ago in monotonic nanoseconds, and how much earlier it may have
    been."""
    now, wall, doubt = _both_clocks()
    return now - (wall - stamp), doubt


def _longest(waited: int | None) -> int:
    return _MAX_LAG_NS if waited is None else waited + _STEP_NS


def _both_clocks() -> tuple[int, int, int]:
    """The same moment on the monotonic and the wall clock, and how much earlier it may have been on
    the monotonic one; nanoseconds."""
    readings = 0
    while True:
        before, wall, now = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        readings += 1
        if now - before < _SIMULTANEOUS_NS or readings == _READINGS:
            return now, wall, now - before
