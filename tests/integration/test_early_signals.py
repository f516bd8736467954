"""Signals in the first and the last second of the process."""

from __future__ import annotations

import re
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from tests.integration.test_surroundings import Running, ends, hanging
from tests.process import eventually, exporter, process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

NOBODY = "http://127.0.0.1:1"


def catches(pid: int, number: signal.Signals) -> bool:
    """Return whether the process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = re.search(r"SigCgt:\s+([0-9a-f]+)", status)
    return bool(caught and int(caught[1], 16) & 1 << (number - 1))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("seconds", [0, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5])
def test_a_signal_while_it_starts_ends_it_in_good_order(
    seconds: float, number: signal.Signals, tmp_path: Path
) -> None:
    running = Running(NOBODY, tmp_path, [])
    running.write()
    with process(exporter("run", "--config", running.config), tmp_path / "log") as child:
        eventually(lambda: catches(child.pid, signal.SIGTERM))  # the last that it asks for
        time.sleep(seconds)
        ends(child, number)
    assert "Traceback" not in running.log()


def test_sigterm_while_the_configuration_cannot_be_read(tmp_path: Path) -> None:
    folder, flag = tmp_path / "hangs", tmp_path / "flag"
    folder.mkdir()
    flag.touch()
    running = Running(NOBODY, folder, [])
    running.write()
    with process(hanging(flag, running), tmp_path / "log") as child:
        eventually(lambda: catches(child.pid, signal.SIGTERM))
        time.sleep(3)
        assert child.poll() is None
        assert not (tmp_path / "log").read_text()
        ends(child)


@pytest.mark.parametrize(
    ("number", "statuses"),
    [
        (signal.SIGTERM, {-signal.SIGTERM}),
        (signal.SIGINT, {1, -signal.SIGINT}),  # Python's, if it comes during an import
    ],
)
@pytest.mark.parametrize("seconds", [0, 0.2, 0.5])
def test_a_signal_ends_another_command_as_it_does_any(
    seconds: float, number: signal.Signals, statuses: set[int], tmp_path: Path
) -> None:
    """The caller must not take this end for success."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # so that the probe doesn't end first
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        probe = exporter("probe", "--provider", "openai", "--model", "m", "--base-url", url)
        with process(probe, tmp_path / "log") as child:
            eventually(lambda: catches(child.pid, signal.SIGTERM))
            time.sleep(seconds)
            child.send_signal(number)
            assert child.wait(60) in statuses


def test_sigterm_again_and_again_ends_it_once(tmp_path: Path) -> None:
    running = Running(NOBODY, tmp_path, [])
    running.write()
    with process(exporter("run", "--config", running.config), tmp_path / "log") as child:
        eventually(lambda: "started" in running.log())
        while child.poll() is None:
            child.send_signal(signal.SIGTERM)
            time.sleep(0.002)
        assert child.returncode == 0


def test_a_flood_of_hangups_is_a_reload_or_two(tmp_path: Path) -> None:
    running = Running(NOBODY, tmp_path, [])
    running.write()
    with process(exporter("run", "--config", running.config), tmp_path / "log") as child:
        eventually(lambda: "started" in running.log())
        for _ in range(500):
            child.send_signal(signal.SIGHUP)
            time.sleep(0.002)

        def reloads() -> int:
            return running.log().count("configuration reloaded")

        before = eventually(reloads)
        time.sleep(5)
        assert reloads() <= before + 3
        ends(child)
