"""The timeouts of one probe, as one timer that moves as the probe gets on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from exporter.config.plan import Timeouts
from exporter.process.loop import absent_ns, suspended_ns
from exporter.result import NANOSECONDS, Failure, FailureReason

_TURNS = 10
"""A read is decoded in one turn of the loop, a long one in several. Connecting takes some more."""
_LATE_SECONDS = 0.005
"""If a timer fires this late, the loop was held up."""
_LOST_SHARE = 0.1
"""The share of the time to connect that may be lost. Connecting is work for this side, too."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the probe, and what is missing until it ends."""

    reason: FailureReason
    limit: float | None
    missing: str


class Deadlines:
    """Cancels the probe inside it with ``TimeoutError`` when its current part, or all of it, takes
    too long. ``failure`` then says which.

    Every piece of output moves the deadline, nearly always to later. So the timer isn't moved.
    When it fires, it checks whether the deadline has moved on.

    What the kernel received in time is in time: before a deadline ends a probe, the loop reads
    whatever is waiting in the socket.
    """

    def __init__(
        self, timeouts: Timeouts, latest_arrival: Callable[[], int | None] = lambda: None
    ) -> None:
        """
        :param latest_arrival: returns when the latest bytes arrived, monotonic nanoseconds.
        """
        self.interrupted = False
        """Whether a deadline passed that this process can't judge, because it didn't run."""
        self._timeouts = timeouts
        self._latest_arrival = latest_arrival
        self._connecting = _Part(FailureReason.TIMEOUT_CONNECT, timeouts.connect, "no connection")
        self._waiting = _Part(
            FailureReason.TIMEOUT_FIRST_TOKEN, timeouts.first_token, "no first token"
        )
        self._streaming = _Part(FailureReason.TIMEOUT_STALL, timeouts.stall, "no further output")
        self._part = self._connecting
        self._timeout = asyncio.timeout(None)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.Handle | None = None
        self._rings_at = 0.0
        self._total_at = self._due_at = self._loop.time() + timeouts.total
        self._absent_ns, self._suspended_ns = absent_ns(self._loop), suspended_ns()

    async def __aenter__(self) -> Deadlines:
        await self._timeout.__aenter__()
        self._begin(self._connecting, self._loop.time())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop_timer()
        await self._timeout.__aexit__(kind, error, traceback)

    def sent(self) -> None:
        """The request is sent. From now on, the first token may take ``first_token``."""
        self._begin(self._waiting, self._loop.time())

    def output(self, at: int) -> None:
        """Output arrived. More output, or the end, may take ``stall``.

        :param at: when the kernel received it, monotonic nanoseconds.
        """
        self._begin(self._streaming, at / NANOSECONDS)

    def ended(self) -> None:
        """The end marker arrived. Nothing that the provider does now can make the probe late."""
        self._stop_timer()
        self._timeout.reschedule(None)  # the timer may have gone off in this turn of the loop

    def failure(self) -> Failure:
        """Which deadline passed."""
        part = self._part
        if self._due_at < self._total_at:
            return Failure(part.reason, f"{part.missing} within {part.limit:g} s")
        detail = f"not done within {self._timeouts.total:g} s: {part.missing}"
        return Failure(FailureReason.TIMEOUT_TOTAL, detail)

    def _begin(self, part: _Part, now: float) -> None:
        self._part, self._due_at = part, self._total_at
        if part.limit is not None:
            self._due_at = min(now + part.limit, self._total_at)
        if self._timer is None or self._due_at < self._rings_at:
            self._set_timer()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _set_timer(self) -> None:
        self._stop_timer()
        self._rings_at = self._due_at
        self._timer = self._loop.call_at(self._due_at, self._look)

    def _look(self) -> None:
        late = self._loop.time() - self._due_at
        if late < 0:
            self._set_timer()
        else:
            self._look_again(_TURNS, self._latest_arrival(), late)

    def _look_again(self, turns: int, seen: int | None, late: float) -> None:
        """Give up once this many turns of the loop have brought nothing that arrived in time."""
        if self._loop.time() < self._due_at:
            self._set_timer()
            return
        latest = self._latest_arrival()
        if latest != seen and latest is not None and latest <= self._due_at * NANOSECONDS:
            turns, seen = _TURNS, latest
        if turns:
            self._timer = self._loop.call_soon(self._look_again, turns - 1, seen, late)
            return
        self.interrupted = self._was_interrupted(late)
        self._timeout.reschedule(self._due_at)

    def _was_interrupted(self, late: float) -> bool:
        lost = (absent_ns(self._loop) - self._absent_ns) / NANOSECONDS
        limit = self._part.limit or self._timeouts.total
        return (
            late > _LATE_SECONDS
            or suspended_ns() - self._suspended_ns > _LATE_SECONDS * NANOSECONDS
            or (self._part is self._connecting and lost > _LOST_SHARE * limit)
        )
