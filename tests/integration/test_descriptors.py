"""The exporter with few file descriptors never blames the providers."""

from __future__ import annotations

import shlex
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from exporter.simulator import Script, Simulator
from exporter.simulator.thread import run_in_thread
from tests.process import eventually, exporter, free_port, process
from tests.waiting import timed

pytestmark = pytest.mark.slow


@contextmanager
def running(folder: Path, targets: int, descriptors: int, connection: str) -> Iterator[str]:
    """Run an exporter with this many targets, and yield its URL. It logs to ``folder/log``."""
    port, config = free_port(), folder / "config.yaml"
    with run_in_thread(Simulator({"m": Script(token_gap_seconds=0.001)})) as simulator:
        lines = [
            f"web: {{listen: '127.0.0.1:{port}'}}",
            "defaults: {interval: 2s, timeout: 5s}",
            "probes: {p: {prompt: Count.}}",
            "targets:",
            *(
                f"  - {{name: t{number}, provider: openai, model: m, connection: {connection}, "
                f"base_url: '{simulator.url}/v1'}}"
                for number in range(targets)
            ),
        ]
        config.write_text("\n".join(lines))
        run = shlex.join(map(str, exporter("run", "--config", config)))
        with process(["sh", "-c", f"ulimit -n {descriptors}; exec {run}"], folder / "log") as child:
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200)
            yield url
            child.terminate()
            assert child.wait(25) == 0


def counted(url: str, name: str, label: str = "") -> float:
    text = httpx.get(f"{url}/metrics", trust_env=False, timeout=20).text
    lines = [line for line in text.splitlines() if line.startswith(f"{name}{{") and label in line]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


@timed
def test_a_crowd_of_idle_clients_costs_no_probe_and_no_scrape(tmp_path: Path) -> None:
    with running(tmp_path, 10, 1024, "fresh") as url, ExitStack() as stack:
        port = httpx.URL(url).port
        for _ in range(1100):
            client = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port))))
            with suppress(ConnectionError):
                client.sendall(b"GET / HTTP/1.1\r\n")
        before = counted(url, "inference_probes_total", 'outcome="success"')
        for _ in range(10):
            began = time.monotonic()
            assert counted(url, "inference_probe_failures_total") == 0
            assert time.monotonic() - began < 5
            time.sleep(1)
        assert counted(url, "inference_probes_total", 'outcome="success"') > before
        assert counted(url, "inference_probes_uncertain_total") == 0
    assert len((tmp_path / "log").read_text().splitlines()) < 10


@pytest.mark.parametrize("connection", ["reuse", "fresh"])
def test_more_targets_than_descriptors(tmp_path: Path, connection: str) -> None:
    with running(tmp_path, 100, 64, connection) as url:
        time.sleep(15)
        successes = "inference_probes_total", 'outcome="success"'
        eventually(lambda: counted(url, *successes), lambda count: count > 100)
        eventually(lambda: counted(url, "inference_last_probe_success"), lambda sum_: sum_ > 90)
        assert counted(url, "inference_probe_failures_total") == 0
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    # A busy machine can also delay the schedule.
    told = [line for line in log.splitlines() if "probe missed its schedule" not in line]
    assert len(told) < 12
