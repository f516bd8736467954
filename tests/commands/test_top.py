"""``top``: a running exporter in a terminal."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from exporter.cli import main
from exporter.oncall.top import drawn
from exporter.simulator import Script, Simulator
from exporter.simulator.thread import run_in_thread
from tests.process import eventually, exporter, free_port, process

WIDE = {"COLUMNS": "200", "NO_COLOR": "1"}


def test_it_shows_the_worst_first_and_says_so_in_its_exit_code(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with run_in_thread(Simulator({"m": Script()})) as simulator:
        config = tmp_path / "config.yaml"
        config.write_text(f"""
web: {{listen: '127.0.0.1:{port}'}}
defaults: {{interval: 1h}}
probes: {{p: {{prompt: Count.}}}}
targets:
  - {{name: good, provider: openai, model: m, base_url: '{simulator.url}/v1'}}
  - {{name: bad, provider: openai, model: none, base_url: '{simulator.url}/v1'}}
""")
        with process(exporter("run", "--config", config), tmp_path / "log"):
            eventually(lambda: httpx.get(f"{url}/-/ready", trust_env=False).is_success)
            for name in ("good", "bad"):
                httpx.get(f"{url}/probe?target={name}", trust_env=False, timeout=150)
            done = CliRunner().invoke(main, ["top", url, "--once"], env=WIDE)
            narrow = CliRunner().invoke(main, ["top", url, "--once"], env={**WIDE, "COLUMNS": "80"})
    assert done.exit_code == 1, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines() if " p " in line]
    assert lines[0].startswith("failing")
    assert "not_found" in lines[0]
    assert lines[1].startswith("ok")
    shown = narrow.stdout.splitlines()
    assert max(map(len, shown)) <= 80
    assert "not_found: " in shown[4], "the reason moves below the name"
    (good,) = (line.split() for line in shown if " ok " in line)
    assert (good[1:3], good[4], good[6:8]) == (["good", "p"], "ms", ["ms", "100"])


def test_without_an_exporter_it_says_what_does_not_answer() -> None:
    done = CliRunner().invoke(main, ["top", f"http://127.0.0.1:{free_port()}", "--once"])
    assert done.exit_code == 1
    assert "does not answer" in done.stderr


@pytest.mark.parametrize(
    ("first", "whole", "bar"),
    [
        (1.0, 2.0, "──────────━━━━━━━━━━"),
        (0.5, 1.0, "─────━━━━━"),
        (None, 2.0, "─" * 20),
        (None, None, ""),
    ],
)
def test_a_probe_is_drawn_to_scale(first: float | None, whole: float | None, bar: str) -> None:
    last = {"time_to_first_token_seconds": first, "request_duration_seconds": whole}
    assert drawn({"last": last}, 2.0) == bar
