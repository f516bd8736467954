"""The event loop that reads streams; it knows for how long it may have overlooked something.

Nothing is known between two moments at which this thread surely ran. So while anybody waits for
bytes, the loop looks every two milliseconds, and it takes its own return from such a look for the
moment at which something came only where the scheduler's account says that it was woken without
delay. What takes long in between glances at the sockets on its way.
docs/measurement.md tells what each of these signs can see.
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
"""For how long the thread that answers a scrape may go on when there is something to read. Python
gives it ten times as long, and so much later could every token be seen."""
_LOOK_NS = 2_000_000
"""How long one look waits, while somebody waits for bytes: each costs some 15 us."""
_LATE_NS = 300_000
"""A look that takes so much longer than it was to wait came back late."""
_CLOSE_NS = 100_000
"""A look that was so short needs no account: what it saw came while it lasted."""
_GLANCE_NS = 50_000
"""How far apart two glances are at least: each costs about 1 us."""
_WAKING_NS = 100_000
"""From the moment at which the kernel wakes a thread to that thread's next look at the clock, but
for the time in the queue."""
_HELPERS = 64
"""Threads that resolve names, at most: each waits as long as a name server that is silent makes it,
and the names of other targets must not wait with it."""
_ABSENCE_NS = 3_000_000
"""So long without a sign of life is an absence."""

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

T = TypeVar("T")
_Ready = list[tuple[selectors.SelectorKey, int]]


@dataclass(frozen=True, slots=True)
class Absence:
    """A time in which this thread did not run, and nobody knows why: it was stopped or frozen, or
    the whole machine was. Monotonic nanoseconds."""

    began: int
    ended: int


def _same_epoll(selector: selectors.BaseSelector) -> select.epoll | None:
    """What this selector asks, to be asked without what it makes of the answer: there is a glance
    for nearly every token. ``None`` where the system has no epoll."""
    if sys.platform != "linux" or not isinstance(selector, selectors.EpollSelector):
        return None
    return select.epoll.fromfd(os.dup(selector.fileno()))


class _Selector(selectors.DefaultSelector):
    """Notes since when whatever it reports may have been ready."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0
        self.absence = Absence(0, 0)
        self.absent_ns = 0
        self._run_queue = RunQueue()
        self._account: Account | None = None
        self._sleeps = 0
        """Since the account was taken."""
        self._looked_ns = self._awake_ns = time.monotonic_ns()
        self._glancing = _same_epoll(self)
        self._unhandled: dict[int, int] = {}
        """The descriptors that were seen to be readable and are not read yet, each with the latest
        moment at which it was not readable."""

    def select(self, timeout: float | None = None) -> _Ready:
        """What is ready, after a first look that does not wait: only so is it known whether
        something was ready already, or woke the loop up."""
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
        """See which sockets are empty, in the middle of something that takes long."""
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
        """What is about to be read from this descriptor came then or later."""
        return self._unhandled.pop(descriptor, 0)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """Another file may get the number of this one."""
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
                self._looked_ns = min(began + patience, now)  # it was empty when the time was up
            # Else it may have been stopped meanwhile: a stop interrupts epoll_wait (signal(7)), and
            # Python does not look again once the time is up.

    def _note_readable(self, ready: _Ready) -> None:
        """What is seen now was not there at the look before, unless it was seen even then."""
        for key, events in ready:
            if events & selectors.EVENT_READ:
                self._unhandled.setdefault(key.fd, self._looked_ns)

    def _patience(self, now: int, due: int | None) -> int | None:
        """How long to wait at most this time, in nanoseconds."""
        left = None if due is None else due - now
        if not self.waiting:
            return left
        return _LOOK_NS if left is None else min(left, _LOOK_NS)

    def _woken_after(self, patience: int | None, now: int) -> int:
        """The latest moment of which it is known that what is ready now was not."""
        looked = self._looked_ns
        if now - looked < _CLOSE_NS or patience is None or now - looked > patience + _LATE_NS:
            return looked
        since, sleeps = self._spent()
        if since is None or since.starts > sleeps:  # it was stopped, or waited for another thread
            return looked
        return max(looked, now - since.waited_ns - _WAKING_NS)

    def _spent(self) -> tuple[Account | None, int]:
        """What the account has more than last time, and how often the loop went to sleep."""
        before, self._account = self._account, self._run_queue.account()
        sleeps, self._sleeps = self._sleeps, 0
        if before is None or self._account is None:
            return None, sleeps
        return self._account - before, sleeps

    def _note_absence(self, began: int, ended: int) -> None:
        """An absence that is not explained by work, or by others who had the processor."""
        since, _ = self._spent()
        explained = since.ran_ns + since.waited_ns if since else 0
        self.absent_ns += ended - began
        if ended - began - explained > _ABSENCE_NS:
            self.absence = Absence(began, ended)


class ProbingLoop(asyncio.SelectorEventLoop):
    """An ordinary event loop that knows when it last had nothing left to read."""

    def __init__(self) -> None:
        self._watchful = _Selector()
        super().__init__(self._watchful)
        self._stamps = KeptStamps()
        self._helpers = ThreadPoolExecutor(_HELPERS, thread_name_prefix="helper")
        self.set_default_executor(self._helpers)

    def close(self) -> None:
        """End it; the kernel need not stamp any more, either."""
        super().close()
        self._stamps.close()

    async def shutdown_default_executor(  # as asyncio declares it
        self,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> None:
        """Without waiting for a name server or a file system that does not answer."""
        self._helpers.shutdown(wait=False, cancel_futures=True)

    def attentive_since_ns(self, descriptor: int) -> int:
        """What is about to be read from this descriptor came at this time or later, monotonic
        nanoseconds; to be asked once for each time that it was found readable."""
        return self._watchful.attentive_since(descriptor)

    def glance(self) -> None:
        """See which sockets are empty now, without handling any."""
        self._watchful.glance()

    @property
    def absence(self) -> Absence:
        """The latest time in which this thread, or the machine, did not run for no known reason."""
        return self._watchful.absence

    @property
    def absent_ns(self) -> int:
        """For how long, all in all, the loop did nothing while it should have."""
        return self._watchful.absent_ns

    def watch(self) -> None:
        """Somebody waits for bytes whose arrival matters; to be followed by ``unwatch``."""
        self._watchful.waiting += 1

    def unwatch(self) -> None:
        """The bytes came, or nobody waits for them any more."""
        self._watchful.waiting -= 1


def glance() -> None:
    """See which sockets are empty now, for the sake of what comes next; at most every
    50 microseconds. Nothing happens on a loop that does not watch."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, ProbingLoop):
        loop.glance()


def absent_ns(loop: asyncio.AbstractEventLoop) -> int:
    """For how long, all in all, this loop did nothing while it should have; 0 of a loop that does
    not know."""
    return loop.absent_ns if isinstance(loop, ProbingLoop) else 0


def suspended_ns() -> int:
    """For how long the machine was suspended since it was started: the monotonic clock stands
    still meanwhile (clock_gettime(2)). 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()


def run(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` on a ``ProbingLoop`` that other threads may not keep waiting for long."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=ProbingLoop) as runner:
        return runner.run(main)
