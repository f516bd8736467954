"""Polls of the sockets, with the earliest time at which each event can have happened.

The loop can date an arrival only by the moments at which its thread ran. So while a probe waits
for bytes, the loop polls every two milliseconds. If a poll returns with an event, the loop takes
that moment as the arrival only if the scheduler's statistics show that the thread woke without
delay. Long computations call ``glance`` to check the sockets in between.

While many probes wait, the loop rests between two turns. Waking up for every token takes half of a
probe's processor time, and the tokens keep the times at which the kernel received them.
docs/measurement.md describes what each of these signals can detect.
"""

from __future__ import annotations

import os
import select
import selectors
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.process.run_queue import Account, RunQueue
from exporter.result import NANOSECONDS

_LOOK_NS = 2_000_000
"""The timeout of one poll while a probe waits for bytes. Each poll costs about 15 us."""
_REST_NS = 1_000_000
"""The least time from one wake-up to the next while many probes wait."""
_MANY_PROBES = 64
"""With fewer, waking up at once is affordable, and claims stay a hundred times smaller."""
_LEAST_REST_NS = 100_000
_RESTLESS_NS = 500_000_000
"""A time that is longer than this may be wrong by one rest."""
_LATE_NS = 300_000
"""A poll that exceeds its timeout by more than this returned late."""
_CLOSE_NS = 100_000
"""After a poll this short, the statistics aren't needed: its events arrived while it lasted."""
_GLANCE_NS = 50_000
"""The least time between two glances. Each costs 1 to 5 us."""
_RARE_GLANCE_NS = 500_000
"""The same while the loop may rest. It sleeps for longer than that anyway."""
_WAKING_NS = 100_000
"""The time from when the kernel wakes a thread until that thread reads the clock, without the
time on the run queue."""
_ABSENCE_NS = 3_000_000
"""The thread counts as absent if it did not run for longer than this."""

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

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


class WatchfulSelector(selectors.DefaultSelector):
    """Records for each event the earliest time at which it can have happened."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0
        self._restless: list[int] = []
        """For each task that must be woken at once, until when; monotonic nanoseconds."""
        self.absence = Absence(0, 0)
        self.absent_ns = 0
        self._run_queue = RunQueue()
        self._account: Account | None = None
        self._sleeps = 0
        """Since the statistics were read."""
        self._looked_ns = self._awake_ns = self._idle_ns = time.monotonic_ns()
        self._is_idle = False
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
            due = None if timeout is None else looked + int(timeout * NANOSECONDS)
            self._is_idle = True
            ready = self._rest(due) or self._wait(due)
            self._is_idle, self._idle_ns = False, time.monotonic_ns()
        self._awake_ns = time.monotonic_ns()
        return ready

    @property
    def last_idle(self) -> int:
        """When the loop last had nothing to do, monotonic nanoseconds: now, if it has nothing to
        do. Any thread may ask."""
        return time.monotonic_ns() if self._is_idle else self._idle_ns

    def glance(self) -> None:
        """Check which sockets are readable, in the middle of a long computation."""
        looked = time.monotonic_ns()
        pause = _RARE_GLANCE_NS if self._may_rest and not self._restless else _GLANCE_NS
        if not self.waiting or looked - self._looked_ns < pause:
            return
        if self._glancing is None:
            self._note_readable(super().select(0))
        else:
            for descriptor, events in self._glancing.poll(0):
                if events & ~select.EPOLLOUT:
                    self._unhandled.setdefault(descriptor, self._looked_ns)
        self._looked_ns = looked

    @contextmanager
    def without_rest(self) -> Iterator[None]:
        """Don't rest during this block, or during the beginning of a long one."""
        until = time.monotonic_ns() + _RESTLESS_NS
        self._restless.append(until)
        try:
            yield
        finally:
            self._restless.remove(until)

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

    @property
    def _may_rest(self) -> bool:
        """Whether many probes wait, and a late read still tells when its bytes arrived."""
        return self.waiting > _MANY_PROBES and self._glancing is not None

    def _rest(self, due: int | None) -> _Ready:
        """Let events gather while many probes wait. Returns what is ready then."""
        began = time.monotonic_ns()
        if not self._may_rest or began < max(self._restless, default=0):
            return []
        until = self._awake_ns + _REST_NS
        rest = (until if due is None else min(until, due)) - began
        if rest < _LEAST_REST_NS:
            return []
        self._sleeps += 1
        time.sleep(rest / NANOSECONDS)
        now = time.monotonic_ns()
        if now - began > rest + _ABSENCE_NS:
            self._note_absence(began, now)
        ready = super().select(0)
        self._note_readable(ready)
        self._looked_ns = now
        return ready

    def _wait(self, due: int | None) -> _Ready:
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
