"""The timeouts of one probe, as one timer that moves as the probe gets on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType

from exporter.config.plan import Timeouts
from exporter.result import Failure, FailureReason


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the probe, and what has not come yet while it lasts."""

    reason: FailureReason
    limit: float | None
    missing: str


class Deadlines:
    """Cancels the probe inside it with ``TimeoutError`` when the part that it is in takes too
    long, or the whole of it does; ``failure`` then says which.

    Every piece of output moves the deadline, nearly always to later. So the timer stays where it
    is, and sees for itself, when it goes off, that the deadline has moved on.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._connecting = _Part(FailureReason.TIMEOUT_CONNECT, timeouts.connect, "no connection")
        self._waiting = _Part(
            FailureReason.TIMEOUT_FIRST_TOKEN, timeouts.first_token, "no first token"
        )
        self._streaming = _Part(FailureReason.TIMEOUT_STALL, timeouts.stall, "no further output")
        self._part = self._connecting
        self._timeout = asyncio.timeout(None)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._total_at = self._due_at = self._loop.time() + timeouts.total

    async def __aenter__(self) -> Deadlines:
        await self._timeout.__aenter__()
        self._begin(self._connecting)
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
        """The request is on its way: from here on the first token may take ``first_token``."""
        self._begin(self._waiting)

    def output(self) -> None:
        """Output came: until more of it, or the end, there may pass ``stall``."""
        self._begin(self._streaming)

    def ended(self) -> None:
        """The end marker came: nothing that the provider still does can make the probe late."""
        self._stop_timer()
        self._timeout.reschedule(None)  # the timer may have gone off in this turn of the loop

    def failure(self) -> Failure:
        """What ran out."""
        part = self._part
        if self._due_at < self._total_at:
            return Failure(part.reason, f"{part.missing} within {part.limit:g} s")
        detail = f"not done within {self._timeouts.total:g} s: {part.missing}"
        return Failure(FailureReason.TIMEOUT_TOTAL, detail)

    def _begin(self, part: _Part) -> None:
        self._part, self._due_at = part, self._total_at
        if part.limit is not None:
            self._due_at = min(self._loop.time() + part.limit, self._total_at)
        if self._timer is None or self._due_at < self._timer.when():
            self._set_timer()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _set_timer(self) -> None:
        self._stop_timer()
        self._timer = self._loop.call_at(self._due_at, self._look)

    def _look(self) -> None:
        if self._loop.time() < self._due_at:
            self._set_timer()
        else:
            self._timeout.reschedule(self._due_at)
