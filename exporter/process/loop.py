"""The event loop that reads streams, and that knows how late it might have seen each arrival.

The loop can date an arrival only by the moments at which its thread ran. So while a probe waits
for bytes, the loop polls every two milliseconds. If a poll returns with an event, the loop takes
that moment as the arrival only if the scheduler's statistics show that the thread woke without
delay. Long computations call ``glance`` to check the sockets in between.
docs/measurement.md describes what each of these signals can detect.
"""

from __future__ import annotations

import asyncio
import os
import select
import selectors
import sys
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from exporter.process.run_queue import Account, RunQueue
from exporter.process.stamps import KeptStamps
from exporter.result import NANOSECONDS

_SWITCH_SECONDS = 0.0005
"""The time after which another thread, such as one that renders a scrape, must release the
interpreter. Python's default is ten times as long, and every token could be seen that much late."""
_LOOK_NS = 2_000_000
"""The timeout of one poll while a probe waits for bytes. Each poll costs about 15 us."""
_LATE_NS = 300_000
"""A poll that exceeds its timeout by more than this returned late."""
_CLOSE_NS = 100_000
"""After a poll this short, the statistics aren't needed: its events arrived while it lasted."""
_GLANCE_NS = 50_000
"""The least time between two glances. Each costs about 1 us."""
_WAKING_NS = 100_000
"""The time from when the kernel wakes a thread until that thread reads the clock, without the
time on the run queue."""
_HELPERS = 64
"""The most threads for DNS lookups. A lookup blocks for as long as its name server is silent, and
lookups for other targets must not wait behind it."""
_ABSENCE_NS = 3_000_000
"""The thread counts as absent if it did not run for longer than this."""

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

T = TypeVar("T")
_Ready = list[tuple[selectors.SelectorKey, int]]


@dataclass(frozen=True, slots=True)
class Absence:
    """A period in which this thread did not run for an unknown reason: the thread or the whole
    machine was stopped or frozen. Monotonic nanoseconds."""

    began: int
    ended: int


def _same_epoll(selector: selectors.BaseSelector) -> select.epoll | None:
    """The selector's epoll object, for polling without the overhead of the selector: the loop
    glances for nearly every token. ``None`` if the system has no epoll."""
    if sys.platform != "linux" or not isinstance(selector, selectors.EpollSelector):
        return None
    return select.epoll.fromfd(os.dup(selector.fileno()))


class _Selector(selectors.DefaultSelector):
    """Records for each event the earliest time at which it can have happened."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0
        self.absence = Absence(0, 0)
        self.absent_ns = 0
        self._run_queue = RunQueue()
        self._account: Account | None = None
        self._sleeps = 0
        """Since the statistics were read."""
        self._looked_ns = self._awake_ns = time.monotonic_ns()
        self._glancing = _same_epoll(self)
        self._unhandled: dict[int, int] = {}
        """Descriptors that are readable but not read yet, each with the last time at which it was
        known not to be readable."""

    def select(self, timeout: float | None = None) -> _Ready:
        """The ready descriptors. A first poll without waiting tells those that were ready already
        from those that wake the loop."""
        looked = time.monotonic_ns()
        if looked - self._awake_ns > _ABSENCE_NS:
            self._note_absence(self._awake_ns, looked)
        ready = super().select(0)
        self._note_readable(ready)
        self._looked_ns = looked
        if not ready and (timeout is None or timeout > 0):
            ready = self._wait(timeout)
        self._awake_ns = time.monotonic_ns()
        return ready

    def glance(self) -> None:
        """Check which sockets are readable, in the middle of a long computation."""
        looked = time.monotonic_ns()
        if not self.waiting or looked - self._looked_ns < _GLANCE_NS:
            return
        if self._glancing is None:
            self._note_readable(super().select(0))
        else:
            for descriptor, events in self._glancing.poll(0):
                if events & ~select.EPOLLOUT:
                    self._unhandled.setdefault(descriptor, self._looked_ns)
        self._looked_ns = looked

    def attentive_since(self, descriptor: int) -> int:
        """The earliest time at which the bytes that are read next can have arrived."""
        return self._unhandled.pop(descriptor, 0)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """Forget the descriptor: another file can get the same number."""
        key = super().unregister(fileobj)
        self._unhandled.pop(key.fd, None)
        return key

    def close(self) -> None:
        self._run_queue.close()
        if self._glancing:
            self._glancing.close()
        super().close()

    def _wait(self, timeout: float | None) -> _Ready:
        due = None if timeout is None else self._looked_ns + int(timeout * NANOSECONDS)
        while True:
            began = time.monotonic_ns()
            if due is not None and began >= due:
                return []
            patience = self._patience(began, due)
            self._sleeps += 1
            ready = super().select(None if patience is None else patience / NANOSECONDS)
            now = time.monotonic_ns()
            if patience is not None and now - began > patience + _ABSENCE_NS:
                self._note_absence(began, now)
            if ready:
                self._looked_ns = self._woken_after(patience, now)
                self._note_readable(ready)
                return ready
            if patience is None:
                return ready
            if now - began <= patience + _LATE_NS:
                self._looked_ns = min(began + patience, now)  # nothing was ready at the timeout
            # Else the process might have been stopped: a stop interrupts epoll_wait (signal(7)),
            # and Python does not poll again after the timeout.

    def _note_readable(self, ready: _Ready) -> None:
        """Date new events: they were not ready at the previous poll."""
        for key, events in ready:
            if events & selectors.EVENT_READ:
                self._unhandled.setdefault(key.fd, self._looked_ns)

    def _patience(self, now: int, due: int | None) -> int | None:
        """The timeout of the next poll in nanoseconds."""
        left = None if due is None else due - now
        if not self.waiting:
            return left
        return _LOOK_NS if left is None else min(left, _LOOK_NS)

    def _woken_after(self, patience: int | None, now: int) -> int:
        """The last time at which the events of this poll were known not to be ready."""
        looked = self._looked_ns
        if now - looked < _CLOSE_NS or patience is None or now - looked > patience + _LATE_NS:
            return looked
        since, sleeps = self._spent()
        if since is None or since.starts > sleeps:
            return looked  # it was also stopped or preempted, or waited for the interpreter lock
        return max(looked, now - since.waited_ns - _WAKING_NS)

    def _spent(self) -> tuple[Account | None, int]:
        """The statistics and the number of sleeps since the last call."""
        before, self._account = self._account, self._run_queue.account()
        sleeps, self._sleeps = self._sleeps, 0
        if before is None or self._account is None:
            return None, sleeps
        return self._account - before, sleeps

    def _note_absence(self, began: int, ended: int) -> None:
        """Record an absence, unless running or waiting for a CPU explains it."""
        since, _ = self._spent()
        explained = since.ran_ns + since.waited_ns if since else 0
        self.absent_ns += ended - began
        if ended - began - explained > _ABSENCE_NS:
            self.absence = Absence(began, ended)


class ProbingLoop(asyncio.SelectorEventLoop):
    """An event loop that knows when each socket last had nothing to read."""

    def __init__(self) -> None:
        self._watchful = _Selector()
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

    def watch(self) -> None:
        """Poll more often: a probe waits for bytes. Call ``unwatch`` when they have arrived."""
        self._watchful.waiting += 1

    def unwatch(self) -> None:
        """Undo one ``watch``."""
        self._watchful.waiting -= 1


def glance() -> None:
    """Check which sockets are readable now, so that their next arrivals are dated more precisely.

    Does nothing within 50 microseconds of the previous check, or on another kind of loop.
    """
    loop = asyncio.get_running_loop()
    if isinstance(loop, ProbingLoop):
        loop.glance()


def absent_ns(loop: asyncio.AbstractEventLoop) -> int:
    """The total time in which this loop should have run and did not; 0 for another kind of
    loop."""
    return loop.absent_ns if isinstance(loop, ProbingLoop) else 0


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
