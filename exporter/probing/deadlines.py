"""The timeouts of one request, with one timer that moves as the request progresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType

from exporter.config.plan import Timeouts
from exporter.net.exchange import Exchange, nothing
from exporter.net.failure import OwnFault
from exporter.process.loop import absent_ns, suspended_ns
from exporter.result import NANOSECONDS, Failure, FailureReason

_TURNS = 10
"""A read is parsed in the same turn of the loop, unless it is long. Its task goes on one or two
turns later, and connecting takes a few more."""
_LATE_SECONDS = 0.005
"""A timer that fires this late was delayed by this process."""
_LOST_SHARE = 0.1
"""The share of the connect timeout that can be lost. In this phase, the exporter has work to do
too."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the probe, and what is still missing during it."""

    reason: FailureReason
    limit: float | None
    missing: str


class Deadlines:
    """Cancels the probe inside it with ``TimeoutError`` if its current part, or all of it, takes
    too long. ``failure`` then says which.

    Every piece of output moves the deadline, nearly always to later. The timer therefore isn't
    rescheduled. When it fires, it checks whether the deadline has moved.

    Data that the kernel received in time counts as in time. Before a deadline ends a probe, the
    loop reads all waiting data.
    """

    def __init__(self, timeouts: Timeouts, exchange: Exchange) -> None:
        """Start the total timeout.

        :param exchange: says what the network has done for the request.
        """
        self.interrupted = False
        """Whether this process didn't run while a deadline passed, so that it can't judge the
        provider."""
        self._timeouts = timeouts
        self._exchange = exchange
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
        self._began_at = self._loop.time()
        """When the current part began, or its latest output came."""
        self._total_at = self._began_at + timeouts.total
        self._absent_ns, self._suspended_ns = absent_ns(self._loop), suspended_ns()

    async def __aenter__(self) -> Deadlines:
        await self._timeout.__aenter__()
        self._exchange.on_sent = self._sent
        self._begin(self._connecting, self._loop.time())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop_timer()
        self._exchange.on_sent = nothing  # it refers to this object: a cycle
        await self._timeout.__aexit__(kind, error, traceback)

    def output(self, at: int) -> None:
        """Restart the stall timeout, because output came.

        :param at: when the kernel received it, in monotonic nanoseconds.
        """
        if self._part is self._streaming:
            self._began_at = at / NANOSECONDS
        else:
            self._begin(self._streaming, at / NANOSECONDS)

    def ended(self) -> None:
        """Stop all timeouts after the end marker, because nothing can make the probe late
        anymore."""
        self._stop_timer()
        self._timeout.reschedule(None)  # the timer may have fired in this turn of the loop

    def failure(self) -> Failure:
        """Return the failure for the timeout that ran out."""
        part = self._part
        if self._due_at < self._total_at:
            return Failure(part.reason, f"{part.missing} within {part.limit:g} s")
        detail = f"not done within {self._timeouts.total:g} s: {part.missing}"
        return Failure(FailureReason.TIMEOUT_TOTAL, detail)

    @property
    def _due_at(self) -> float:
        limit = self._part.limit
        return self._total_at if limit is None else min(self._began_at + limit, self._total_at)

    def _sent(self) -> None:
        """Start the first-token timeout."""
        self._begin(self._waiting, self._loop.time())

    def _latest_arrival(self) -> int | None:
        """When the last bytes that were read arrived, in monotonic nanoseconds."""
        arrival = self._exchange.arrival
        return arrival.at if arrival else None

    def _begin(self, part: _Part, now: float) -> None:
        self._part, self._began_at = part, now
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
        """Give up after this many turns of the loop without data that arrived in time."""
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


@asynccontextmanager
async def within(seconds: float, exchange: Exchange) -> AsyncIterator[None]:
    """Limit a request that isn't a probe, by the same rules.

    :raises TimeoutError: it took too long.
    :raises OwnFault: it took too long, but this process didn't run the whole time.
    """
    deadlines = Deadlines(Timeouts(total=seconds), exchange)
    try:
        async with deadlines:
            yield
    except TimeoutError:
        if deadlines.interrupted:
            raise OwnFault("the exporter didn't run when the time was up") from None
        raise
