"""The wall clock jumps by an hour, a day, ten years: probing continues, and SIGTERM stops the
exporter.

The child process sees a clock that jumps when a file says so. The kernel's receive timestamps don't
jump, as is briefly the case when a real clock is set.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import httpx
import pytest

from exporter.simulator import Script, Simulator
from exporter.simulator.thread import run_in_thread
from tests.process import eventually, free_port, process

pytestmark = pytest.mark.slow

_CHILD = """
import datetime, pathlib, sys, time
real, moved = time.time, pathlib.Path(sys.argv[1])

def shifted():
    return real() + float(moved.read_text() or 0)

class Datetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(shifted(), tz)

time.time, datetime.datetime = shifted, Datetime
from exporter.cli import main
sys.argv = ["inference-exporter", "run", "--config", sys.argv[2]]
main()
"""
HOUR, DAY, YEARS = 3600, 86400, 10 * 365 * 86400


def _config(port: int, url: str) -> str:
    return f"""
web: {{listen: '127.0.0.1:{port}'}}
defaults: {{interval: 1s, timeout: 5s}}
probes: {{p: {{prompt: Count.}}}}
targets:
  - {{name: plain, provider: openai, model: m, base_url: '{url}/v1'}}
  - name: cold
    provider: openai
    model: m
    base_url: '{url}/v1'
    interval: 1h
    cold_start: {{idle: 30m}}
budget: {{usd_per_day: 5}}
"""


@pytest.mark.parametrize("step", [HOUR, -HOUR, DAY, -DAY, YEARS, -YEARS])
def test_probing_goes_on_and_the_exporter_ends(step: int, tmp_path: Path) -> None:
    port, clock, config = free_port(), tmp_path / "clock", tmp_path / "config.yaml"
    clock.write_text("0")

    def probes() -> float:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=20).text
        lines = [line for line in text.splitlines() if line.startswith("inference_probes_total{")]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    with run_in_thread(Simulator({"m": Script(token_gap_seconds=0.001)})) as simulator:
        config.write_text(_config(port, simulator.url))
        command: list[str | Path] = [sys.executable, "-c", _CHILD, clock, config]
        with process(command, tmp_path / "log") as child:
            eventually(probes, lambda count: count >= 2)
            clock.write_text(str(step))
            before = probes()
            eventually(probes, lambda count: count >= before + 4)
            child.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert child.wait(25) == 0
            assert time.monotonic() - began < 20
    log = (tmp_path / "log").read_text()
    assert "the system clock was changed" in log
    assert "Traceback" not in log


def test_a_second_signal_changes_nothing(tmp_path: Path) -> None:
    port, config = free_port(), tmp_path / "config.yaml"
    config.write_text(_config(port, "http://127.0.0.1:1"))
    url = f"http://127.0.0.1:{port}/-/ready"
    with process(
        [sys.executable, "-m", "exporter", "run", "--config", config], tmp_path / "log"
    ) as child:
        eventually(lambda: httpx.get(url, trust_env=False).status_code == 200)
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            child.send_signal(number)
            time.sleep(0.01)
        assert child.wait(25) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
