"""The exporter in a control group with a memory limit, like that of a container."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter.simulator import Script, Simulator
from exporter.simulator.thread import run_in_thread
from tests.chaos.costly import ANY, FRAMES, MEGABYTE
from tests.integration.test_surroundings import Running, ends
from tests.process import eventually, exporter
from tests.wire import LAST_CHUNK, STREAM_HEAD, Act, Step, chunk, wire_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's"),
]

_ROOT = Path("/sys/fs/cgroup")
LIMIT = 128 * MEGABYTE
"""The limit of the sidecar in deploy/kubernetes."""
FULL: list[Step] = [STREAM_HEAD, *[chunk(b": " + b"x" * 500_000 + b"\n")] * 40, Act.HANG]
LONG = [
    "wide characters",
    "an error with wide text",
    "different names",
    "an unknown field of {}",
]


@dataclass(frozen=True, slots=True)
class Group:
    """A memory control group, version 1 or 2."""

    folder: Path
    limit: str
    peak: str
    killed: str

    def set_limit(self, size: int) -> None:
        (self.folder / self.limit).write_text(str(size))

    def peak_bytes(self) -> int:
        return int((self.folder / self.peak).read_text())

    def kills(self) -> int:
        lines = (self.folder / self.killed).read_text().splitlines()
        return int(dict(line.split() for line in lines)["oom_kill"])


def _candidates() -> Iterator[Group]:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, own = line.split(":", 2)
        if controllers == "memory":
            folder = _ROOT / "memory" / own.strip("/") / "inference-exporter-test"
            yield Group(
                folder, "memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control"
            )
        elif not controllers:
            folder = _ROOT / own.strip("/") / "inference-exporter-test"
            yield Group(folder, "memory.max", "memory.peak", "memory.events")


@pytest.fixture
def group() -> Iterator[Group]:
    """Create a control group, if this process has the permission."""
    for candidate in _candidates():
        try:
            candidate.folder.mkdir()
        except OSError:
            continue
        try:
            candidate.set_limit(LIMIT)
            candidate.peak_bytes()
        except OSError:
            candidate.folder.rmdir()
            continue
        yield candidate
        candidate.folder.rmdir()
        return
    pytest.skip("no control group of memory can be made here")


def _answer(name: str) -> list[Step]:
    return [STREAM_HEAD, chunk(FRAMES["openai"](ANY[name])), LAST_CHUNK]


def test_providers_that_send_too_much_do_not_fill_it(group: Group, tmp_path: Path) -> None:
    bodies = [FULL, *map(_answer, LONG)]
    with ExitStack() as started:
        good = started.enter_context(
            run_in_thread(Simulator({"m": Script(token_gap_seconds=0.001)}))
        )
        urls = [started.enter_context(wire_server(body)).url for body in bodies]
        greedy = [
            f"name: g{n}-{m}, interval: 300ms, base_url: '{url}/v1'"
            for n, url in enumerate(urls)
            for m in range(2)
        ]
        running = Running(good.url, tmp_path, greedy)
        running.write()
        run = " ".join(map(str, exporter("run", "--config", running.config)))
        enter = f"echo $$ > {group.folder}/cgroup.procs && exec {run}"
        with running.started(["sh", "-c", enter]) as child:
            running.fails("g0-0", "too_large")
            eventually(lambda: running.successes() > 100, seconds=120)
            running.is_healthy()
            ends(child)
    assert group.kills() == 0
    assert group.peak_bytes() < LIMIT
