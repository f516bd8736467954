"""The event loop that reads streams, and that knows how late it might have seen each arrival."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from exporter.process.selector import Absence, WatchfulSelector
from exporter.process.stamps import KeptStamps

_SWITCH_SECONDS = 0.0005
"""The time after which another thread, such as one that renders a scrape, must release the
interpreter. Python's default is ten times as long, and every token could be seen that much late."""
_HELPERS = 64
"""The most threads for DNS lookups. A lookup blocks for as long as its name server is silent, and
lookups for other targets must not wait behind it."""
T = TypeVar("T")


class ProbingLoop(asyncio.SelectorEventLoop):
    """An event loop that knows when each socket last had nothing to read."""

    def __init__(self) -> None:
        self._watchful = WatchfulSelector()
        super().__init__(self._watchful)
        self._stamps = KeptStamps()
        self._helpers = ThreadPoolExecutor(_HELPERS, thread_name_prefix="helper")
        self.set_default_executor(self._helpers)

    def close(self) -> None:
        """Close the loop, and stop asking the kernel for timestamps."""
        super().close()
        self._stamps.close()

    async def shutdown_default_executor(  # as asyncio declares it
        self,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> None:
        """Shut down without waiting for an unresponsive name server or file system."""
        self._helpers.shutdown(wait=False, cancel_futures=True)

    def attentive_since_ns(self, descriptor: int) -> int:
        """The earliest time at which the bytes that are read next can have arrived, in monotonic
        nanoseconds. Call it once each time the descriptor becomes readable."""
        return self._watchful.attentive_since(descriptor)

    def glance(self) -> None:
        """Check which sockets are readable now, without handling any."""
        self._watchful.glance()

    @property
    def absence(self) -> Absence:
        """The latest period in which this thread did not run for an unknown reason."""
        return self._watchful.absence

    @property
    def absent_ns(self) -> int:
        """The total time in which the loop should have run and did not."""
        return self._watchful.absent_ns

    @property
    def last_idle(self) -> int:
        """When it last had nothing to do, monotonic nanoseconds: now, if it has nothing to do. Any
        thread may ask."""
        return self._watchful.last_idle

    def watch(self) -> None:
        """Poll more often: a probe waits for bytes. Call ``unwatch`` when they have arrived."""
        self._watchful.waiting += 1

    def unwatch(self) -> None:
        """Undo one ``watch``."""
        self._watchful.waiting -= 1

    def without_rest(self) -> AbstractContextManager[None]:
        """Wake up at once during this block, which takes times by the loop's own clock. Times of
        more than half a second aren't that exact."""
        return self._watchful.without_rest()


def glance() -> None:
    """Check which sockets are readable now, so that their next arrivals are dated more precisely.

    Does nothing soon after the previous check, or on another kind of loop.
    """
    loop = asyncio.get_running_loop()
    if isinstance(loop, ProbingLoop):
        loop.glance()


def without_rest() -> AbstractContextManager[None]:
    """Let the loop wake up at once during this block, which takes times by its own clock. Does
    nothing on another kind of loop."""
    loop = asyncio.get_running_loop()
    return loop.without_rest() if isinstance(loop, ProbingLoop) else nullcontext()


def absent_ns(loop: asyncio.AbstractEventLoop) -> int:
    """The total time in which this loop should have run and did not; 0 for another kind of
    loop."""
    return loop.absent_ns if isinstance(loop, ProbingLoop) else 0


def last_idle(loop: asyncio.AbstractEventLoop) -> int:
    """When this loop last had nothing to do, monotonic nanoseconds. Another kind of loop doesn't
    tell, and counts as idle."""
    return loop.last_idle if isinstance(loop, ProbingLoop) else time.monotonic_ns()


def suspended_ns() -> int:
    """How long the machine has been suspended since it booted; 0 if the system doesn't tell.

    The monotonic clock doesn't count that time (clock_gettime(2)).
    """
    if sys.platform != "linux":
        return 0
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()


def run(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` on a ``ProbingLoop``, with a short switch interval for other threads."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=ProbingLoop) as runner:
        return runner.run(main)
