"""Fuzz the parsers with atheris, guided by code coverage, for any length of time.

``make fuzz`` runs it. Each target has its own process, which reports its executions. Inputs that
fail are saved in ``build/fuzz``.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import click

KEPT = Path("build/fuzz")
_TIMEOUT_SECONDS = 20
_MAX_BYTES = 4096
_DONE = re.compile(r"Done (\d+) runs in (\d+) second")
_SO_FAR = re.compile(r"^#(\d+)\b", re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help="those whose names begin so; all where not set")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        fuzz(arguments.one, arguments.seconds)
    from tests.fuzz.targets import TARGETS

    wanted = tuple(arguments.targets)
    names = [name for name in TARGETS if not wanted or name.startswith(wanted)]
    outcomes = [run(name, arguments.seconds) for name in names]
    click.echo(
        f"{sum(executions for executions, _ in outcomes):,} executions of {len(names)} targets"
    )
    sys.exit(any(failed for _, failed in outcomes))


def run(name: str, seconds: int) -> tuple[int, bool]:
    """Fuzz a target in a separate process. Return the number of executions, and whether it
    failed."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--one", name, "--seconds", str(seconds)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    told = ran.stdout + ran.stderr
    done, so_far = _DONE.search(told), _SO_FAR.findall(told)
    executions = int(done[1]) if done else max(map(int, so_far), default=0)
    click.echo(f"{name:40} {executions:>10,} {'ok' if ran.returncode == 0 else 'FAILED'}")
    if ran.returncode:
        click.echo(told[-4000:])
    return executions, ran.returncode != 0


def fuzz(name: str, seconds: int) -> None:
    """Fuzz a target in this process until it ends."""
    import atheris

    with atheris.instrument_imports(include=["exporter", "yaml"], enable_loader_override=False):
        from tests.fuzz.targets import TARGETS, seeds

    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds(name)):
            (Path(folder) / str(number)).write_bytes(seed[:_MAX_BYTES])
        options = [
            f"-max_total_time={seconds}",
            f"-timeout={_TIMEOUT_SECONDS}",
            f"-max_len={_MAX_BYTES}",
            f"-artifact_prefix={KEPT}/{name}-",
            "-rss_limit_mb=1024",
        ]
        atheris.Setup([name, folder, *options], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
