"""Disturbances from outside that keep a measuring process and its children from running."""

from __future__ import annotations

import contextlib
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.background import meanwhile

Disturbance = Callable[[int], AbstractContextManager[None]]
"""Takes the ID of a process that leads its own process group."""

STOP_SECONDS = (0.005, 5.0)
BETWEEN_STOPS_SECONDS = (0.1, 0.6)
QUOTA = 0.2
_PERIOD_SECONDS = 0.1
BUSY_LOOPS = 3
_LEAST = 19
_CGROUPS = Path("/sys/fs/cgroup")
_SECONDS_TO_LEAVE = 2


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Send SIGSTOP now and then, for 5 ms to 5 s, equally often at every order of magnitude."""
    with meanwhile(lambda over: _stop_now_and_then(pid, over)):
        yield


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """Do the same with the freezer of control groups, which sends no signal, as a paused container.

    Without write access to control groups, nothing happens.
    """
    with _cgroup("freezer", pid) as group:
        if group is None:
            yield
            return
        with meanwhile(lambda over: _freeze_now_and_then(group, over)):
            yield


@contextmanager
def throttled(pid: int) -> Iterator[None]:
    """Set a quota of a fifth of a core with a control group.

    Without write access to control groups, use a duty cycle of SIGSTOP and SIGCONT.
    """
    with _cgroup("cpu", pid) as group:
        if group is None:
            with meanwhile(lambda over: _run_a_share(pid, over)):
                yield
            return
        period = round(_PERIOD_SECONDS * 1e6)
        _write(group, "cpu.cfs_period_us", period)
        _write(group, "cpu.cfs_quota_us", round(period * QUOTA))
        yield
        _write(group, "cpu.cfs_quota_us", -1)


@contextmanager
def starved(pid: int) -> Iterator[None]:
    """Set the lowest priority, with three busy loops running."""
    os.setpriority(os.PRIO_PGRP, pid, _LEAST)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BUSY_LOOPS)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


@contextmanager
def undisturbed(_pid: int) -> Iterator[None]:
    yield


DISTURBANCES: dict[str, Disturbance] = {
    "stopped": stopped,
    "paused": paused,
    "throttled": throttled,
    "starved": starved,
}


def _some_time() -> float:
    return math.exp(random.uniform(*map(math.log, STOP_SECONDS)))


def _stop_now_and_then(pid: int, over: threading.Event) -> None:
    while not over.wait(random.uniform(*BETWEEN_STOPS_SECONDS)):
        _held(pid, _some_time())


def _run_a_share(pid: int, over: threading.Event) -> None:
    while not over.wait(_PERIOD_SECONDS * QUOTA):
        _held(pid, _PERIOD_SECONDS * (1 - QUOTA))


def _held(pid: int, seconds: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.killpg(pid, signal.SIGCONT)


def _freeze_now_and_then(group: Path, over: threading.Event) -> None:
    while not over.wait(random.uniform(*BETWEEN_STOPS_SECONDS)):
        _write(group, "freezer.state", "FROZEN")
        time.sleep(_some_time())
        _write(group, "freezer.state", "THAWED")


@contextmanager
def _cgroup(controller: str, pid: int) -> Iterator[Path | None]:
    """Create a control group (version 1) with these processes; yield ``None`` if that fails."""
    group = _CGROUPS / controller / f"benchmark-{pid}"
    try:
        group.mkdir()
        for member in _members(pid):
            _write(group, "cgroup.procs", member)
    except OSError:
        print(f"no control group for {controller} can be made", file=sys.stderr)
        yield None
        return
    try:
        yield group
    finally:
        give_up_at = time.monotonic() + _SECONDS_TO_LEAVE
        while group.exists() and time.monotonic() < give_up_at:
            with contextlib.suppress(OSError):  # the process is still in it
                group.rmdir()
            time.sleep(0.05)


def _members(leader: int) -> Iterator[int]:
    """Yield the processes of a group."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(int(process.name)) == leader:
                yield int(process.name)


def _write(group: Path, file: str, value: object) -> None:
    (group / file).write_text(str(value))
