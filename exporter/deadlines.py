"""The timeouts of one probe, as one timer that moves as the probe gets on."""

from __future__ import annotations

import asyncio
from types import TracebackType

from exporter.config import Timeouts
from exporter.result import Failure, FailureReason


class Deadlines:
    """Cancels the probe inside it with ``TimeoutError`` when the part that it is in takes too
    long, or the whole of it does; ``failure`` then says which."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._timer = asyncio.timeout(None)
        self._total_at = 0.0
        self._running_out = Failure(FailureReason.TIMEOUT_TOTAL, "")

    async def __aenter__(self) -> Deadlines:
        await self._timer.__aenter__()
        self._total_at = asyncio.get_running_loop().time() + self._timeouts.total
        self._move(FailureReason.TIMEOUT_CONNECT, self._timeouts.connect, "no connection")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._timer.__aexit__(kind, error, traceback)

    def sent(self) -> None:
        """The request is on its way: from here on the first token may take ``first_token``."""
        limit = self._timeouts.first_token
        self._move(FailureReason.TIMEOUT_FIRST_TOKEN, limit, "no first token")

    def output(self) -> None:
        """Output came: until more of it, or the end, there may pass ``stall``."""
        self._move(FailureReason.TIMEOUT_STALL, self._timeouts.stall, "no further output")

    def ended(self) -> None:
        """The end marker came: nothing that the provider still does can make the probe late."""
        self._timer.reschedule(None)

    def failure(self) -> Failure:
        """What ran out."""
        return self._running_out

    def _move(self, reason: FailureReason, limit: float | None, missing: str) -> None:
        now = asyncio.get_running_loop().time()
        if limit is not None and now + limit < self._total_at:
            self._running_out = Failure(reason, f"{missing} within {limit:g} s")
            self._timer.reschedule(now + limit)
        else:
            detail = f"not done within {self._timeouts.total:g} s: {missing}"
            self._running_out = Failure(FailureReason.TIMEOUT_TOTAL, detail)
            self._timer.reschedule(self._total_at)
