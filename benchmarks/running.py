"""Runs the real exporter in its own process, and measures it from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

LISTEN = "127.0.0.1:19850"
MEASURED_CORE = max(os.sched_getaffinity(0))
MEASURED_PRIORITY = -10
"""A process that waits for the CPU reads later, and more at once, than in production."""
_START_SECONDS = 60
SCRAPE_EVERY_SECONDS = 15


class Samples:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self._samples = [s for f in text_string_to_metric_families(text) for s in f.samples]

    def sum(self, name: str, **labels: str) -> float:
        return sum(
            s.value for s in self._samples if s.name == name and labels.items() <= s.labels.items()
        )

    def buckets(self, name: str) -> dict[float, float]:
        found = (s for s in self._samples if s.name == f"{name}_bucket")
        return {float(s.labels["le"]): s.value for s in found}


def _cpu_seconds(pid: int) -> float:
    """Return the user and system CPU time of a process, to the nanosecond.

    The clock ID is computed as in clock_getcpuclockid(3).
    """
    return time.clock_gettime((~pid << 3) | 2)


class Process:
    """A running process and its statistics from the kernel."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._proc = Path(f"/proc/{pid}")

    def cpu_seconds(self) -> float:
        """Return the user and system CPU time so far."""
        return _cpu_seconds(self.pid)

    def memory_kb(self) -> int:
        """Return the resident memory."""
        return self._status("VmRSS")

    def threads(self) -> int:
        return self._status("Threads")

    def descriptors(self) -> list[str]:
        """Return the target of each open file descriptor."""
        found = []
        for link in (self._proc / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                found.append(str(link.readlink()))
        return found

    def _status(self, name: str) -> int:
        status = (self._proc / "status").read_text()
        return int(status.partition(f"\n{name}:")[2].split()[0])


class Session:
    """A program with all the processes that it started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._cpu_seconds: dict[int, float] = {}

    def cpu_seconds(self) -> float:
        """Return the CPU time so far. An ended process counts with its last known time."""
        for pid in self._running():
            with contextlib.suppress(OSError):  # ended since it was listed
                self._cpu_seconds[pid] = _cpu_seconds(pid)
        return sum(self._cpu_seconds.values())

    def kill(self) -> None:
        for pid in self._running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _running(self) -> Iterator[int]:
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(ProcessLookupError):
                if entry.name.isdecimal() and os.getsid(int(entry.name)) == self.pid:
                    yield int(entry.name)


def favour(pid: int, priority: int = MEASURED_PRIORITY) -> None:
    """Raise the priority of a process if this one has the permission. Its children inherit it.

    Linux divides the CPU among sessions first (see autogroup in sched(7)), so this has an effect
    only on a process with its own session.
    """
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, priority)
    if os.getsid(pid) == pid:
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text(str(priority))


@contextmanager
def session(
    command: Sequence[str], log: Path, *, cwd: Path | None = None, held: bool = True
) -> Iterator[Session]:
    """Run a program that doesn't serve, for the time of the block.

    :param log: the file for its output.
    :param held: whether to pin it to the measured core.
    """
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=cwd,
            start_new_session=True,
        ) as process,
    ):
        if held:
            os.sched_setaffinity(process.pid, {MEASURED_CORE})
        one = Session(process.pid)
        try:
            yield one
        finally:
            if process.poll() is not None:
                print(
                    f"{command[0]} has ended by itself:", log.read_text()[-4000:], file=sys.stderr
                )
            one.kill()


@contextmanager
def started(command: Sequence[str], ready: str, *, held: bool = True) -> Iterator[Process]:
    """Start a process; yield it when it responds.

    :param held: whether to pin it to the measured core.
    """
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        if held:
            os.sched_setaffinity(process.pid, {MEASURED_CORE})
        try:
            _wait_until(ready)
            yield Process(process.pid)
        finally:
            process.terminate()


def _wait_until(ready: str) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up_at:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(ready, trust_env=False).is_success:
                return
        time.sleep(0.1)
    sys.exit(f"{ready} did not answer within {_START_SECONDS} s")


@contextmanager
def exporting(configuration: str, python: str = sys.executable) -> Iterator[Process]:
    """Run ``inference-exporter run`` with a configuration that listens on ``LISTEN``."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "config.yaml")
        file.write_text(configuration)
        command = [python, "-m", "exporter", "run", "--config", str(file)]
        with started(command, f"http://{LISTEN}/-/ready") as process:
            yield process


def scrape(listen: str = LISTEN) -> str:
    """Return the metrics of the running exporter."""
    return httpx.get(f"http://{listen}/metrics", timeout=60, trust_env=False).text


@dataclass(frozen=True, slots=True)
class Window:
    """The results of a time range with regular scrapes."""

    before: Samples
    after: Samples
    cpu_share: float
    """The share of one core."""
    scrape_seconds: float
    """The median duration of a scrape."""
    memory_kb: int
    seconds: float
    """The length of the time range."""

    def more(self, name: str, **labels: str) -> float:
        """Return the increase of a counter."""
        return self.after.sum(name, **labels) - self.before.sum(name, **labels)

    def p99(self, name: str) -> float:
        """Return the upper bound of the histogram bucket that contains the p99."""
        before, after = self.before.buckets(name), self.after.buckets(name)
        counts = {bound: after[bound] - before[bound] for bound in sorted(after)}
        wanted = 0.99 * max(counts.values())
        return next(bound for bound, count in counts.items() if count >= wanted)


def watch(process: Process, scrapes: int) -> Window:
    """Measure a running exporter for this number of regular scrapes."""
    before, cpu, began = scrape(), process.cpu_seconds(), time.monotonic()
    after, seconds = before, []
    for _ in range(scrapes):
        time.sleep(SCRAPE_EVERY_SECONDS)
        at = time.monotonic()
        after = scrape()
        seconds.append(time.monotonic() - at)
    return Window(
        cpu_share=(process.cpu_seconds() - cpu) / (time.monotonic() - began),
        scrape_seconds=statistics.median(seconds),
        memory_kb=process.memory_kb(),
        seconds=time.monotonic() - began,
        before=Samples(before),  # parsing waits until the measurement is over
        after=Samples(after),
    )


@contextmanager
def beside_the_measured() -> Iterator[None]:
    """Keep this process and its children off the measured core, if there are two cores.

    On SIGTERM, the process stops its children, because they have their own sessions.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, allowed - {MEASURED_CORE} or allowed)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
