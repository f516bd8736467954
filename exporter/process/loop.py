"""The event loop that reads streams; it knows for how long it may have overlooked something."""

from __future__ import annotations

import asyncio
import selectors
import sys
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

_SWITCH_SECONDS = 0.0005
"""For how long the thread that answers a scrape may go on when there is something to read. Python
gives it ten times as long, and so much later could every token be seen."""

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Notes since when whatever it reports may have been ready."""

    def __init__(self) -> None:
        super().__init__()
        self.attentive_since_ns = 0
        self._returned_ns = time.monotonic_ns()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, after a first look that does not wait: only so is it known whether
        something was ready already, or woke the loop up."""
        if ready := super().select(0):
            self.attentive_since_ns, self._returned_ns = self._returned_ns, time.monotonic_ns()
            return ready
        if timeout is None or timeout > 0:
            ready = super().select(timeout)
        self.attentive_since_ns = self._returned_ns = time.monotonic_ns()
        return ready


class ProbingLoop(asyncio.SelectorEventLoop):
    """An ordinary event loop, and when it last had nothing left to read."""

    def __init__(self) -> None:
        self._watchful = _Selector()
        super().__init__(self._watchful)

    @property
    def attentive_since_ns(self) -> int:
        """What is being handled now became ready at this time or later, monotonic nanoseconds."""
        return self._watchful.attentive_since_ns


def run(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` on a ``ProbingLoop`` that other threads may not keep waiting for long."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=ProbingLoop) as runner:
        return runner.run(main)
