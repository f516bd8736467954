"""Alertmanager's own tool accepts the example configuration and finds its receivers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.queries import RULES

CONFIG = RULES / "alertmanager.yml"


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_amtool_accepts_the_configuration(tool: Callable[[str], Path]) -> None:
    said = run(tool("amtool"), "check-config", CONFIG)
    assert "3 receivers" in said


@pytest.mark.parametrize(
    ("severity", "receiver"), [("critical", "pager"), ("warning", "tickets"), ("info", "channel")]
)
def test_each_severity_has_its_receiver(
    severity: str, receiver: str, tool: Callable[[str], Path]
) -> None:
    routes: list[str | Path] = [tool("amtool"), "config", "routes", "test"]
    said = run(*routes, f"--config.file={CONFIG}", f"severity={severity}", "target=openai-mini")
    assert said.split() == [receiver]
