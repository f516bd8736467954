"""Sizing: CPU, memory, series, Prometheus storage and the cost of probes.

The benchmark measures 10, 100 and 1,000 targets with a probe and a scrape every 15 s, and the bytes
that a real Prometheus needs for a sample of these series. It computes the other rows: the cost per
probe is constant, and everything else doesn't depend on the interval. ``--quick`` measures one
scrape instead of four; ``--docs`` renews the table of docs/performance.md. ``--python
build/package/venv/bin/python`` measures what `make package` installs. A development environment has
more packages, and some of them are imported if installed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.documents import renew_part
from benchmarks.load import Load, measure
from benchmarks.running import LISTEN, SCRAPE_EVERY_SECONDS, beside_the_measured, exporting
from benchmarks.truth.served import truth_server
from exporter.budget.forecast import DAYS_PER_MONTH, by_target
from exporter.config.root import Config

TARGETS = (10, 100, 1_000)
INTERVALS_SECONDS = (15, 60, 300)
MONTH_SECONDS = DAYS_PER_MONTH * 86_400
PRICE = {"input": 0.25, "output": 2.0}
"""USD per million tokens of a small hosted model. Scale it to the price of your model."""
FASTER = 50
"""The storage benchmark speeds up time by this factor. Only the number of scrapes between two
probes matters."""
_ENOUGH = 0.95
_STORAGE_TARGETS = 20
_STORAGE_SECONDS = 90
_PROMETHEUS = "127.0.0.1:19852"


@dataclass(frozen=True, slots=True)
class Costs:
    """The measured costs, and what follows from them."""

    loads: Sequence[Load]
    bytes_per_sample: float

    @property
    def cpu_per_probe(self) -> float:
        """The CPU seconds of one probe, from the difference between few and many targets."""
        few, many = self.loads[0], self.loads[-1]
        more = many.probes_per_second - few.probes_per_second
        return (many.window.cpu_share - few.window.cpu_share) / more

    def busy(self) -> list[str]:
        """The rows without a valid CPU time, because other processes used the CPU."""
        return [
            f"{load.targets:,} targets: {made:.0%} of the probes were made"
            for load in self.loads
            if (made := _made(load)) < _ENOUGH
        ]

    def table(self) -> Iterator[str]:
        yield "| targets | every | CPU | memory | series | Prometheus, a month | USD, a month |"
        yield "|--:|--:|--:|--:|--:|--:|--:|"
        for load in self.loads:
            yield from (self.row(load, interval) for interval in INTERVALS_SECONDS)
        yield ""
        yield (
            f"{self.cpu_per_probe * 1e3:.1f} ms of processor per probe of 64 tokens,"
            f" {self.bytes_per_sample:.2f} bytes per sample; {os.cpu_count()} cores with a load of"
            f" {os.getloadavg()[0]:.1f}."
        )

    def row(self, load: Load, interval_seconds: int) -> str:
        rate = load.targets / interval_seconds
        cpu = load.window.cpu_share - (load.probes_per_second - rate) * self.cpu_per_probe
        series = load.window.after.sum("inference_exporter_series")
        samples = series * MONTH_SECONDS / SCRAPE_EVERY_SECONDS
        gigabytes = samples * self.bytes_per_sample / 1e9
        return (
            f"| {load.targets:,} | {interval_seconds} s | {max(cpu, 0):.1%}"
            f" | {load.window.memory_kb / 1e3:.0f} MB | {series:,.0f} | {gigabytes:.2g} GB"
            f" | {usd_a_month(load.targets, interval_seconds):,.0f} |"
        )


def _made(load: Load) -> float:
    """Return the share of due probes that were sent."""
    scraped = load.window.after.sum("inference_probes_total")
    more = scraped - load.window.before.sum("inference_probes_total")
    return more / (load.probes_per_second * load.window.seconds)


def usd_a_month(targets: int, interval_seconds: int) -> float:
    """Return the monthly cost of the probe ``short`` at this price, as in ``check-config``."""
    target = {"name": "t", "provider": "openai", "model": "m", "price": PRICE}
    config = {"defaults": {"interval": interval_seconds}, "targets": [target]}
    ((_, load),) = by_target(Config.model_validate(config).plans())
    return float(load.usd or 0) * DAYS_PER_MONTH * targets


def bytes_per_sample(url: str, program: str) -> float:
    """Return the bytes per sample of an exporter's series in a block of a real Prometheus."""
    interval, scrape = 60_000 // FASTER, SCRAPE_EVERY_SECONDS * 1000 // FASTER
    lines = [
        f"web: {{listen: '{LISTEN}'}}",
        f"defaults: {{interval: {interval}ms}}",
        "probes: {count: {prompt: Count., max_output_tokens: 16}}",
        "targets:",
    ]
    target = f"provider: openai, model: truth-20-2-16, base_url: '{url}/v1'"
    lines += [f"  - {{name: t{number}, {target}}}" for number in range(_STORAGE_TARGETS)]
    with tempfile.TemporaryDirectory() as folder, exporting("\n".join(lines)):
        config = Path(folder, "prometheus.yml")
        config.write_text(
            f"global: {{scrape_interval: {scrape}ms, scrape_timeout: {scrape}ms}}\n"
            f"scrape_configs: [{{job_name: j, static_configs: [{{targets: ['{LISTEN}']}}]}}]\n"
        )
        command = [
            program, f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={_PROMETHEUS}", "--web.enable-admin-api",
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as one:
            try:
                time.sleep(_STORAGE_SECONDS)
                snapshot = f"http://{_PROMETHEUS}/api/v1/admin/tsdb/snapshot"
                name = httpx.post(snapshot, timeout=60).raise_for_status().json()["data"]["name"]
                return _of_blocks(Path(folder, "data", "snapshots", name))
            finally:
                one.terminate()


def _of_blocks(snapshot: Path) -> float:
    size = samples = 0
    for meta in snapshot.glob("*/meta.json"):
        stats = httpx.Response(200, content=meta.read_bytes()).json()["stats"]
        samples += stats["numSamples"]
        size += sum(file.stat().st_size for file in (meta.parent / "chunks").iterdir())
    return size / samples


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four minutes instead of seven")
    parser.add_argument("--prometheus", default=".tools/bin/prometheus", metavar="PROGRAM")
    parser.add_argument("--docs", action="store_true", help="renew docs/performance.md")
    parser.add_argument("--python", default=sys.executable, help="the one that runs the exporter")
    options = parser.parse_args()
    program = shutil.which(options.prometheus)
    if program is None:
        parser.error(f"{options.prometheus} is not there: run `make tools`")
    scrapes = 1 if options.quick else 4
    with beside_the_measured(), truth_server() as url:
        loads = [measure(url, targets, scrapes, options.python) for targets in TARGETS]
        costs = Costs(loads, bytes_per_sample(url, program))
    warnings = [f"Too busy a machine for the CPU column: {why}" for why in costs.busy()]
    text = "\n".join([*costs.table(), *warnings])
    print(f"\n{text}")
    if options.docs:
        renew_part("performance.md", "sizing", text)


if __name__ == "__main__":
    main()
