"""Runs the real exporter for hours, to check for leaks and that every probe is counted once.

A tenth of the targets fail, each in a different way. Others come and go with reloads. At the end,
the counters must contain every answer of the provider exactly once. ``--quick`` is a short form for
CI, and ``--long`` sends a million probes.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
from tabulate import tabulate

from benchmarks.background import meanwhile
from benchmarks.running import SCRAPE_EVERY_SECONDS, Process, Samples, scrape, started
from benchmarks.soak import accounts
from benchmarks.soak.inside import Inside, ask
from benchmarks.soak.scene import TRANSIENT, Scene
from benchmarks.soak.server import ledger_of, soak_server

PROBES, QUICK_PROBES, LONG_PROBES = 100_000, 2_000, 1_000_000
ROWS, QUICK_ROWS = 40, 4
PROBES_PER_SECOND = 200.0
SETTLED = 0.2
"""After this share of the probes, all long-lived objects exist."""
_QUIET_WITHIN_SECONDS = 300.0
"""More than enough time for the last running probe to end, even on a busy machine."""
_GIVE_UP_SECONDS = 6 * 3600


@dataclass(frozen=True, slots=True)
class Row:
    """The state after a number of probes."""

    probes: int
    memory_mb: float
    """The resident memory."""
    descriptors: int
    sockets: int
    threads: int
    cpu_seconds: float
    inside: Inside

    @property
    def shown(self) -> dict[str, float]:
        told = asdict(self)
        inside: dict[str, float] = told.pop("inside")
        return {**told, **inside}


class Soak:
    """One run, with its provider, its exporter and its measurements."""

    def __init__(self, scene: Scene, process: Process, inside: Path) -> None:
        self._scene = scene
        self._process = process
        self._inside = inside
        self._generation = 0
        self._gone = accounts.Counts()

    def rows(self, probes: int, count: int) -> Iterator[Row]:
        """Yield rows at even steps of probes, and replace the temporary targets after each."""
        give_up_at = time.monotonic() + _GIVE_UP_SECONDS
        for number in range(1, count + 1):
            while (answers := ledger_of(self._scene.url).total()) < probes * number / count:
                if time.monotonic() > give_up_at:
                    sys.exit(f"only {answers} probes were made")
                time.sleep(1)
            samples = self._quiet()
            yield self._look()  # the reload has collected garbage
            if number < count:
                self._replace_transient_targets(samples)

    def accounts(self) -> tuple[list[accounts.Account], Samples]:
        """Compare the provider's ledger with the counters. No probe runs after the last row."""
        samples = self._quiet()
        ledger = ledger_of(self._scene.url)
        return accounts.accounts(samples, ledger, self._gone), samples

    def _look(self) -> Row:
        descriptors = self._process.descriptors()
        return Row(
            probes=ledger_of(self._scene.url).total(),
            memory_mb=self._process.memory_kb() / 1e3,
            descriptors=len(descriptors),
            sockets=sum(kind.startswith("socket:") for kind in descriptors),
            threads=self._process.threads(),
            cpu_seconds=self._process.cpu_seconds(),
            inside=ask(self._inside),
        )

    def _replace_transient_targets(self, last: Samples) -> None:
        """Replace the transient targets, and let all targets be probed again.

        :param last: the final counters of the removed targets, which disappear with them.
        """
        self._gone += accounts.counted(last, TRANSIENT)
        self._generation += 1
        self._reload(asked=True)

    def _quiet(self) -> Samples:
        """Stop all probes by a reload, and return the counters once the last one has been
        counted."""
        self._reload(asked=False)
        give_up_at = time.monotonic() + _QUIET_WITHIN_SECONDS
        while time.monotonic() < give_up_at:
            samples = Samples(scrape(self._scene.listen))
            if samples.sum("inference_exporter_probes_in_flight") == 0:
                return samples
            time.sleep(0.2)
        sys.exit(f"probes still run {_QUIET_WITHIN_SECONDS:g} s after the last one was due")

    def _reload(self, *, asked: bool) -> None:
        """Write a configuration, and return once it is in effect."""
        self._scene.write(self._generation, asked=asked)
        reload = f"http://{self._scene.listen}/-/reload"
        httpx.post(reload, timeout=_QUIET_WITHIN_SECONDS, trust_env=False).raise_for_status()


@contextmanager
def _scraped(listen: str) -> Iterator[None]:
    """Scrape the exporter during the block, as Prometheus does."""

    def work(over: threading.Event) -> None:
        while not over.wait(SCRAPE_EVERY_SECONDS):
            scrape(listen)

    with meanwhile(work):
        yield


def _free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return f"127.0.0.1:{found.getsockname()[1]}"


def slope(rows: Sequence[Row], name: str) -> tuple[float, float]:
    """Return the growth per 100,000 probes, and half the width of its 95 % interval."""
    x = [row.probes / 1e5 for row in rows]
    y = [row.shown[name] for row in rows]
    line = statistics.linear_regression(x, y)
    left = [b - line.intercept - line.slope * a for a, b in zip(x, y, strict=True)]
    middle = statistics.fmean(x)
    spread = math.sqrt(sum((a - middle) ** 2 for a in x))
    error = math.sqrt(sum(r * r for r in left) / max(1, len(rows) - 2)) / spread
    return line.slope, 2.1 * error


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than 40 s, for CI")
    parser.add_argument("--long", action="store_true", help="a million probes, an hour or more")
    parser.add_argument("--probes", type=int, help="another number of probes")
    parser.add_argument("--rate", type=float, default=PROBES_PER_SECOND, help="probes a second")
    options = parser.parse_args()
    probes = QUICK_PROBES if options.quick else LONG_PROBES if options.long else PROBES
    probes = options.probes or probes
    os.environ["SOAK_KEY"] = "soak-0815-4711"
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, soak_server() as url:
        scene = Scene(Path(folder, "config.yaml"), _free_address(), url, options.rate)
        scene.write(0)
        inside = Path(folder, "inside")
        command = [sys.executable, "-m", "benchmarks.soak.inside", str(inside),
                   "run", "--config", str(scene.file)]  # fmt: skip
        ready = f"http://{scene.listen}/-/ready"
        with started(command, ready, held=False) as process, _scraped(scene.listen):
            soak = Soak(scene, process, inside)
            rows = []
            for row in soak.rows(probes, QUICK_ROWS if options.quick else ROWS):
                rows.append(row)
                print("".join(f"{value:,.6g} " for value in row.shown.values()), flush=True)
            found, samples = soak.accounts()
    _show(rows, found, samples, probes)
    print(f"\n{time.monotonic() - began:.0f} s, {os.cpu_count()} cores, "
          f"Python {platform.python_version()}")  # fmt: skip
    if not all(account.agrees for account in found):
        sys.exit("the counters and the provider's ledger do not agree")


def _show(
    rows: Sequence[Row], found: Sequence[accounts.Account], samples: Samples, probes: int
) -> None:
    settled = [row for row in rows if row.probes >= SETTLED * probes]
    print(tabulate([row.shown for row in rows], "keys", "github", floatfmt=",.1f", intfmt=","))
    grew = [(name, *slope(settled, name)) for name in rows[0].shown if name != "probes"]
    slopes = tabulate(grew, ("per 100,000 probes", "grew by", "±"), "github", floatfmt="+,.3f")
    print(f"\n{slopes}")
    head = (
        "asked for",
        "answers",
        "counted",
        "confirming",
        "as they should be",
        "lost",
        "uncertain",
    )
    print(f"\n{tabulate(accounts.table(found), head, 'github', intfmt=',')}")
    refused = samples.sum("inference_probe_failures_total", reason="connect", model="connect")
    print(f"\n{refused:,.0f} more were refused a connection, as they should be.")
