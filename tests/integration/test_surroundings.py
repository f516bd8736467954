"""The exporter's surroundings fail: disks, DNS, certificates, proxies, memory, the reader of its
log. Probes of healthy targets continue, and SIGTERM stops the exporter cleanly."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from exporter.simulator import Script, Simulator
from exporter.simulator.thread import run_in_thread
from tests.process import eventually, exporter, free_port, process
from tests.wire import LAST_CHUNK, STREAM_HEAD, Act, Step, chunk, wire_server

pytestmark = pytest.mark.slow

GRACE_SECONDS = 28
"""Kubernetes kills the process after 30 seconds."""
HANGING = """
import os, pathlib, socket, sys, time
flag = pathlib.Path(sys.argv.pop(1))
def hangs(function, where):
    def call(*arguments, **more):
        while "hangs" in str(arguments[where]) and flag.exists():
            time.sleep(0.1)
        return function(*arguments, **more)
    return call
os.stat, os.open = hangs(os.stat, 0), hangs(os.open, 0)
socket.getaddrinfo = hangs(socket.getaddrinfo, 0)
from exporter.__main__ import main
main()
"""
"""Runs the exporter on a machine whose name server and file system hang for certain names, as long
as a flag file exists."""


@pytest.fixture(scope="module")
def good() -> Iterator[str]:
    """Run a healthy provider, and yield its URL."""
    with run_in_thread(Simulator({"m": Script(token_gap_seconds=0.001)})) as simulator:
        yield simulator.url


@dataclass
class Running:
    """An exporter that probes the target ``good`` ten times a second, along with others."""

    good: str
    folder: Path
    targets: Sequence[str]
    top: str = ""
    port: int = field(default_factory=free_port)

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    def write(self) -> None:
        lines = [
            f"web: {{listen: '127.0.0.1:{self.port}'}}",
            "defaults: {interval: 100ms, timeout: 20s}",
            self.top,
            "probes: {p: {prompt: Count.}}",
            "targets:",
            f"  - {{name: good, provider: openai, model: m, base_url: '{self.good}/v1'}}",
            *(f"  - {{provider: openai, model: m, {target}}}" for target in self.targets),
        ]
        self.config.write_text("\n".join(lines))

    @contextmanager
    def started(
        self, command: Sequence[str | Path] | None = None, **env: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        self.write()
        command = command or exporter("run", "--config", self.config)
        with process(command, self.folder / "log", **env) as child:
            self.is_healthy()
            yield child

    def samples(self, name: str, *labels: str) -> float:
        url = f"http://127.0.0.1:{self.port}/metrics"
        text = httpx.get(url, trust_env=False, timeout=20).text
        found = [
            line
            for line in text.splitlines()
            if line.startswith((f"{name}{{", f"{name} ")) and all(label in line for label in labels)
        ]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    def successes(self) -> float:
        return self.samples("inference_probes_total", 'target="good"', 'outcome="success"')

    def is_healthy(self) -> None:
        """Check that the good target is probed, and has never failed."""
        before = eventually(self.successes, lambda count: count >= 0)
        eventually(self.successes, lambda count: count >= before + 5)
        assert self.samples("inference_probe_failures_total", 'target="good"') == 0

    def fails(self, target: str, reason: str) -> None:
        labels = f'target="{target}"', f'reason="{reason}"'
        eventually(lambda: self.samples("inference_probe_failures_total", *labels), seconds=120)

    def ended(self, target: str) -> float:
        """Return how many probes failed, or were inconclusive because the machine was too busy."""
        label = f'target="{target}"'
        failed = self.samples("inference_probe_failures_total", label)
        return failed + self.samples("inference_probes_uncertain_total", label)

    def log(self) -> str:
        return (self.folder / "log").read_text()


def ends(child: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> None:
    """Check that the process ends within the grace period, with exit status 0."""
    child.send_signal(number)
    assert child.wait(GRACE_SECONDS) == 0


def test_nobody_reads_the_log(good: str, tmp_path: Path) -> None:
    refused = [f"name: r{n}, base_url: 'http://127.0.0.1:1/v1'" for n in range(20)]
    running = Running(good, tmp_path, refused)
    running.write()
    command = [str(part) for part in exporter("run", "--config", running.config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as child:
        running.is_healthy()
        eventually(
            lambda: running.samples("inference_probe_failures_total", 'reason="connect"'),
            lambda count: count > 600,  # 200 kB, and a pipe holds 64
            seconds=120,
        )
        running.is_healthy()
        ends(child)


def test_a_full_disk(good: str, tmp_path: Path) -> None:
    """No file can grow, so neither the log nor the spending can be written."""
    top = f"budget: {{usd_per_day: 5, state_file: '{tmp_path}/spent.json'}}"
    running = Running(good, tmp_path, ["name: r, base_url: 'http://127.0.0.1:1/v1'"], top)
    run = " ".join(map(str, exporter("run", "--config", running.config)))
    with running.started(["sh", "-c", f"ulimit -f 0; exec {run}"]) as child:
        running.fails("r", "connect")
        running.is_healthy()
        ends(child)
    assert running.log() == ""
    assert not (tmp_path / "spent.json").exists()


def test_a_file_system_that_takes_nothing(good: str, tmp_path: Path) -> None:
    running = Running(good, tmp_path, [], "budget: {usd_per_day: 5, state_file: /sys/spent.json}")
    with running.started() as child:
        eventually(lambda: "/sys/spent.json" in running.log())
        running.is_healthy()
        ends(child)
    assert "Traceback" not in running.log()


def test_a_key_is_rotated_as_kubernetes_does_it(good: str, tmp_path: Path) -> None:
    keys = ["sk-the-first-of-two-0001", "sk-the-second-of-two-0002"]
    for number, key in enumerate(keys):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "key").write_text(key)
    (tmp_path / "..data").symlink_to("..0")
    (tmp_path / "key").symlink_to("..data/key")
    answer = [STREAM_HEAD, chunk(b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'), LAST_CHUNK]
    with wire_server(answer) as server:
        target = f"name: k, base_url: '{server.url}/v1', api_key: {{file: '{tmp_path}/key'}}"
        running = Running(good, tmp_path, [target])
        with running.started() as child:
            for number, key in enumerate(keys):
                (tmp_path / "..new").symlink_to(f"..{number}")
                (tmp_path / "..new").replace(tmp_path / "..data")
                asked = f"Bearer {key}".encode()
                while not any(asked in request for request in server.requests[-3:]):
                    time.sleep(0.05)
            (tmp_path / "..0" / "key").unlink()
            os.mkfifo(tmp_path / "..0" / "key")
            (tmp_path / "..new").symlink_to("..0")
            (tmp_path / "..new").replace(tmp_path / "..data")
            running.fails("k", "auth")
            running.is_healthy()
            ends(child)
    assert "named pipe" in running.log()
    assert not any(key in running.log() for key in keys)


def test_a_proxy_goes_and_comes_back(good: str, tmp_path: Path) -> None:
    proxy = free_port()
    running = Running(good, tmp_path, ["name: far, base_url: 'http://provider.example/v1'"])
    env = {"http_proxy": f"http://127.0.0.1:{proxy}", "no_proxy": "127.0.0.1"}
    with running.started(**env) as child:
        running.fails("far", "connect")
        with wire_server(
            [b"HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n", Act.CLOSE], port=proxy
        ):
            running.fails("far", "overloaded")
        before = running.samples("inference_probe_failures_total", 'reason="connect"')
        eventually(
            lambda: running.samples("inference_probe_failures_total", 'reason="connect"'),
            lambda count: count > before,
        )
        running.is_healthy()
        ends(child)


def test_there_is_no_more_memory(good: str, tmp_path: Path) -> None:
    """The process can use only 64 MB more, and providers send as much as they can."""
    body: list[Step] = [STREAM_HEAD, *[chunk(b": " + b"x" * 500_000 + b"\n")] * 40, Act.HANG]
    with wire_server(body) as server:
        greedy = [f"name: g{n}, base_url: '{server.url}/v1'" for n in range(3)]
        running = Running(good, tmp_path, greedy)
        with running.started() as child:
            status = Path(f"/proc/{child.pid}/status").read_text()
            size = int(status.partition("VmSize:")[2].split()[0]) << 10
            resource.prlimit(child.pid, resource.RLIMIT_AS, (size + (64 << 20),) * 2)
            running.fails("g0", "too_large")
            running.is_healthy()
            ends(child)
    assert "MemoryError" not in running.log()


def hanging(flag: Path, running: Running) -> list[str | Path]:
    """Return the command that runs the exporter on such a machine."""
    return [sys.executable, "-c", HANGING, flag, "run", "--config", running.config]


@pytest.mark.parametrize(
    "target",
    [
        "base_url: 'https://hangs.example/v1'",
        "base_url: 'https://127.0.0.1:1/v1', tls: {{ca_file: '{}/hangs.pem'}}",
        "base_url: 'http://127.0.0.1:1/v1', api_key: {{file: '{}/hangs.key'}}",
    ],
    ids=["a name server", "certificates", "a key"],
)
def test_what_one_target_needs_does_not_answer(target: str, good: str, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    for name in ("hangs.pem", "hangs.key"):
        (tmp_path / name).write_text("x")
    hung = [f"name: t{n}, timeouts: {{connect: 2s}}, {target.format(tmp_path)}" for n in range(12)]
    running = Running(good, tmp_path, hung)
    with running.started(hanging(flag, running)) as child:
        flag.touch()
        time.sleep(1)
        before = running.ended("t0")
        eventually(lambda: running.ended("t0"), lambda count: count >= before + 2, seconds=120)
        running.is_healthy()
        ends(child)
    assert "Traceback" not in running.log()


def test_the_configuration_does_not_answer(good: str, tmp_path: Path) -> None:
    flag, folder = tmp_path / "flag", tmp_path / "hangs"
    folder.mkdir()
    running = Running(good, folder, [])
    with running.started(hanging(flag, running)) as child:
        flag.touch()
        time.sleep(4)  # the file is checked every 3 s
        child.send_signal(signal.SIGHUP)
        running.is_healthy()
        ends(child)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_probe_that_never_ends_is_not_waited_for(
    number: signal.Signals, good: str, tmp_path: Path
) -> None:
    with wire_server([Act.HANG]) as server:
        target = f"name: h, timeout: 10m, base_url: '{server.url}/v1'"
        running = Running(good, tmp_path, [target])
        with running.started() as child:
            eventually(lambda: running.samples("inference_exporter_probes_in_flight"))
            child.send_signal(number)
            time.sleep(1)
            child.send_signal(number)
            assert child.wait(GRACE_SECONDS) == 0
