"""The start time and memory of the exporter: ``run`` until it is ready, and ``probe --help``.

For comparison, the benchmark measures the minimum for any exporter in Python: the import of httpx
and prometheus_client. Compiled modules stay between rounds, as in an installation, and the fastest
round counts. ``--python build/package/venv/bin/python`` measures what `make package` installs. A
development environment has more packages, and some of them are imported if installed.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.running import Process

TARGETS = 10
BARE = ("-c", "import httpx, prometheus_client")
HELP = ("-m", "exporter", "probe", "--help")
_READY = b"GET /-/ready HTTP/1.0\r\n\r\n"
_GIVE_UP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a program."""

    seconds: float
    cpu_seconds: float
    """The CPU time of all threads."""
    memory_kb: int | None = None
    """The resident memory of a server when it is ready."""


def until_done(command: Sequence[str], environment: Mapping[str, str]) -> Start:
    """Measure a command that ends by itself."""
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed")
    return Start(time.perf_counter() - began, usage.ru_utime + usage.ru_stime)


def until_ready(command: Sequence[str], environment: Mapping[str, str], port: int) -> Start:
    """Measure a server until it reports that it is ready."""
    quiet = subprocess.DEVNULL
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet) as process:
        try:
            while not _is_ready(port):
                if process.poll() is not None or time.perf_counter() - began > _GIVE_UP_SECONDS:
                    sys.exit(f"{' '.join(command)} did not become ready")
                time.sleep(0.005)
            seconds = time.perf_counter() - began
            return Start(seconds, _cpu_seconds(process.pid), Process(process.pid).memory_kb())
        finally:
            process.terminate()


def _is_ready(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(_READY)
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def _cpu_seconds(pid: int) -> float:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def configuration(port: int) -> str:
    """Return a configuration whose targets get no probe during the measurement."""
    target = "provider: openai, model: m, base_url: 'http://127.0.0.1:9/v1', interval: 1d"
    lines = [f"web: {{listen: '127.0.0.1:{port}'}}", "targets:"]
    return "\n".join([*lines, *(f"  - {{name: t{number}, {target}}}" for number in range(TARGETS))])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def measure(python: str, rounds: int) -> dict[str, Start]:
    """Return the fastest start of each kind. Kinds take turns, so that load affects all of them."""
    found: dict[str, list[Start]] = {}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": f"{folder}/compiled"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        config = Path(folder, "config.yaml")
        for _ in range(rounds + 1):
            port = _free_port()
            config.write_text(configuration(port))
            run = [python, "-m", "exporter", "run", "--config", str(config)]
            for name, start in (
                ("bare", until_done([python, *BARE], environment)),
                ("probe --help", until_done([python, *HELP], environment)),
                ("run, until ready", until_ready(run, environment, port)),
            ):
                found.setdefault(name, []).append(start)
    # The first round compiles the modules.
    return {name: min(starts[1:], key=lambda one: one.seconds) for name, starts in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.starting", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds instead of ten")
    parser.add_argument("--python", default=sys.executable, help="the one that runs the exporter")
    options = parser.parse_args()
    starts = measure(options.python, 3 if options.quick else 10)
    bare = starts["bare"]
    print("\n| start | s | CPU, s | CPU / bare | MB |\n|---|--:|--:|--:|--:|")
    for name, start in starts.items():
        ratio = start.cpu_seconds / bare.cpu_seconds
        times = f"{start.seconds:.2f} | {start.cpu_seconds:.2f} | {ratio:.1f}"
        memory = f"{start.memory_kb / 1e3:.1f}" if start.memory_kb else ""
        print(f"| {name} | {times} | {memory} |")
    print(f"\n`bare` is {BARE[1]!r}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
