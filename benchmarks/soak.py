"""Whether anything grows, and whether every probe is counted once: the real exporter for hours.

A tenth of the targets fail, each in its own way; others come and go with reloads. At the end every
answer that the provider gave must stand in the counters once. ``--quick`` is a short form for CI,
``--long`` makes a million probes.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from benchmarks.running import LISTEN, Process, Samples, beside_the_measured, scrape, started
from benchmarks.soak_server import ANSWERS, ledger_of, soak_server

PROBES, QUICK_PROBES, LONG_PROBES = 100_000, 2_000, 1_000_000
ROWS = 20
FAULTS = [name for name in ANSWERS if name != "good"]
REFUSES = "http://127.0.0.1:1"
SETTLED = 0.2
"""After this share of the probes, everything that is kept has been made."""
_GIVE_UP_SECONDS = 6 * 3600


@dataclass(frozen=True, slots=True)
class Size:
    """How many targets there are, each asked once a second."""

    good: int = 200
    fresh: int = 20
    faulty: int = 4
    """For each fault."""
    guests: int = 10
    """Those that come and go."""


QUICK_SIZE = Size(good=40, fresh=4, faulty=1, guests=3)


def configuration(url: str, size: Size, interval: str, generation: int) -> str:
    """The targets, with the guests of a generation."""
    targets = [
        *((f"good-{n}", "good", url, "reuse") for n in range(size.good)),
        *((f"fresh-{n}", "good-fresh", url, "fresh") for n in range(size.fresh)),
        *((f"{fault}-{n}", fault, url, "reuse") for fault in FAULTS for n in range(size.faulty)),
        *((f"refused-{n}", "refused", REFUSES, "reuse") for n in range(size.faulty)),
        *((f"guest-{generation}-{n}", "good-guest", url, "reuse") for n in range(size.guests)),
    ]
    return "\n".join(
        [
            f"web: {{listen: '{LISTEN}'}}",
            f"defaults: {{interval: {interval}}}",
            "probes: {count: {prompt: Count., max_output_tokens: 4}}",
            "targets:",
            *(
                f"  - {{name: {name}, provider: openai, model: {model}, "
                f"api_key: {{env: SOAK_KEY}}, base_url: '{base}/v1', connection: {connection}}}"
                for name, model, base, connection in targets
            ),
        ]
    )


Reload: TypeAlias = Callable[[str, int], None]
"""Writes the configuration anew: with another interval, and other guests."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the kernel says after so many probes."""

    probes: float
    memory_mb: float
    descriptors: int
    sockets: int
    threads: int


@dataclass(frozen=True, slots=True)
class Account:
    """What the provider says of one model, and what the exporter."""

    model: str
    answers: int
    counted: int
    right: int
    uncertain: int

    @property
    def agrees(self) -> bool:
        """An uncertain probe may be one that the exporter interrupted, and so did not count."""
        return self.right == self.counted <= self.answers <= self.counted + self.uncertain


def look(process: Process, probes: float) -> Row:
    descriptors = process.descriptors()
    sockets = sum(kind.startswith("socket:") for kind in descriptors)
    return Row(probes, process.memory_kb() / 1e3, len(descriptors), sockets, process.threads())


def grow(process: Process, reload: Reload, probes: int) -> Iterator[Row]:
    """Rows in even steps of probes, with other guests after each."""
    give_up_at = time.monotonic() + _GIVE_UP_SECONDS
    step, generation = probes / ROWS, 0
    seen, gone, most = 0.0, 0.0, 0.0  # the counters of guests go with them
    while seen < probes:
        if time.monotonic() > give_up_at:
            sys.exit(f"only {seen:.0f} probes were made")
        time.sleep(1)
        now = Samples(scrape()).sum("inference_probes_total")
        gone += max(0.0, most - now)
        most = now
        before, seen = seen, now + gone
        if seen // step > before // step:
            generation += 1
            reload("1s", generation)
            yield look(process, seen)


def slope(rows: Sequence[Row], name: str) -> tuple[float, float]:
    """How much more there is of something per 100,000 probes, and half of the 95 % interval."""
    x = [row.probes / 1e5 for row in rows]
    y = [float(getattr(row, name)) for row in rows]
    line = statistics.linear_regression(x, y)
    left = [b - line.intercept - line.slope * a for a, b in zip(x, y, strict=True)]
    middle = statistics.fmean(x)
    spread = math.sqrt(sum((a - middle) ** 2 for a in x))
    error = math.sqrt(sum(r * r for r in left) / max(1, len(rows) - 2)) / spread
    return line.slope, 2.1 * error


def settle(reload: Reload, url: str) -> Samples:
    """The counters once every probe has ended: nothing is asked for the next hours."""
    reload("11h", 0)
    before = None
    while True:
        time.sleep(8)
        now = Samples(scrape())
        made = now.sum("inference_probes_total"), ledger_of(url).total()
        if made == before and now.sum("inference_exporter_probes_in_flight") == 0:
            return now
        before = made


def accounts(samples: Samples, url: str) -> list[Account]:
    """What became of the probes of each model."""
    ledger, found = ledger_of(url), []
    for model in ("good", "good-fresh", *FAULTS):
        told = {"model": model}
        uncertain = samples.sum("inference_probes_uncertain_total", **told)
        counted = samples.sum("inference_probes_total", **told)
        if model.startswith("good"):
            right = samples.sum("inference_probes_total", outcome="success", **told)
        else:
            right = samples.sum("inference_probe_failures_total", reason=model, **told)
        found.append(Account(model, ledger[model], int(counted), int(right), int(uncertain)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than 40 s, for CI")
    parser.add_argument("--long", action="store_true", help="a million probes, an hour or more")
    parser.add_argument("--probes", type=int, help="another number of probes")
    options = parser.parse_args()
    probes = QUICK_PROBES if options.quick else LONG_PROBES if options.long else PROBES
    probes = options.probes or probes
    size = QUICK_SIZE if options.quick else Size()
    os.environ["SOAK_KEY"] = "soak"
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        beside_the_measured(),
        soak_server() as url,
    ):
        file = Path(folder, "config.yaml")

        def reload(interval: str, generation: int) -> None:
            file.write_text(configuration(url, size, interval, generation))

        reload("1s", 0)
        command = [sys.executable, "-m", "exporter", "run", "--config", str(file)]
        with started(command, f"http://{LISTEN}/-/ready") as process:
            rows = list(grow(process, reload, probes))
            samples = settle(reload, url)
            found = accounts(samples, url)
    _show(rows, found, samples, probes)
    print(f"\n{time.monotonic() - began:.0f} s, {os.cpu_count()} cores, "
          f"Python {platform.python_version()}")  # fmt: skip
    if not all(account.agrees for account in found):
        sys.exit("the counters and the provider's ledger do not agree")


def _show(
    rows: Sequence[Row],
    found: Sequence[Account],
    samples: Samples,
    probes: int,
) -> None:
    print("\n| probes | memory, MB | descriptors | sockets | threads |\n|--:|--:|--:|--:|--:|")
    for row in rows:
        print(f"| {row.probes:,.0f} | {row.memory_mb:.1f} | {row.descriptors} | {row.sockets}"
              f" | {row.threads} |")  # fmt: skip
    settled = [row for row in rows if row.probes >= SETTLED * probes]
    print("\n| per 100,000 probes | grew by |\n|---|--:|")
    for name, unit in (("memory_mb", "MB"), ("descriptors", ""), ("sockets", ""), ("threads", "")):
        grew, half = slope(settled, name)
        print(f"| {name.removesuffix('_mb')} | {grew:+.2f} ± {half:.2f} {unit} |")
    print("\n| asked for | answers given | probes counted | as they should be | uncertain |"
          "\n|---|--:|--:|--:|--:|")  # fmt: skip
    for account in found:
        print(f"| {account.model} | {account.answers:,} | {account.counted:,} | {account.right:,}"
              f" | {account.uncertain:,} |")  # fmt: skip
    refused = samples.sum("inference_probe_failures_total", reason="connect", model="refused")
    print(f"\n{refused:,.0f} more were refused a connection, as they should be.")


if __name__ == "__main__":
    main()
