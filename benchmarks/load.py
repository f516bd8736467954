"""What many targets cost: processor, delay and memory, at several numbers of targets.

The real exporter, on one core if there are two, probes the truth server on its schedule: every
target each 15 s, 64 tokens a time. ``--quick`` is a short form for CI. Needs Go. Where
prometheus-blackbox-exporter is installed, the processor time of its HTTP probe stands beside ours.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.truth import truth_server

INTERVAL_SECONDS = 15
TOKENS = 64
MODEL = f"truth-300-20-{TOKENS}"
LISTEN, PEER_LISTEN = "127.0.0.1:19850", "127.0.0.1:19851"
TARGETS = (10, 100, 1_000)
PEER_PROBES = 300
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Load:
    """What one number of targets asks of the exporter."""

    targets: int
    probes: float
    failures: float
    uncertain: float
    cpu_share: float
    """Of one core."""
    delay_p99_seconds: float
    lag_p99_seconds: float
    memory_kb: int

    @property
    def cpu_ms_per_probe(self) -> float:
        return self.cpu_share * 1000 / (self.targets / INTERVAL_SECONDS)


class Samples:
    """One scrape, to be asked for sums."""

    def __init__(self, text: str) -> None:
        self._samples = [s for f in text_string_to_metric_families(text) for s in f.samples]

    def sum(self, name: str, **labels: str) -> float:
        return sum(
            s.value for s in self._samples if s.name == name and labels.items() <= s.labels.items()
        )

    def buckets(self, name: str) -> dict[float, float]:
        found = (s for s in self._samples if s.name == f"{name}_bucket")
        return {float(s.labels["le"]): s.value for s in found}


def quantile(before: dict[float, float], after: dict[float, float], share: float) -> float:
    """The upper bound of the bucket that holds it."""
    counts = {bound: after[bound] - before.get(bound, 0) for bound in sorted(after)}
    wanted = share * max(counts.values())
    return next(bound for bound, count in counts.items() if count >= wanted)


@contextmanager
def started(command: Sequence[str], ready: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process on a core of its own, once it answers."""
    cores = sorted(os.sched_getaffinity(0))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        os.sched_setaffinity(process.pid, {cores[-1]})
        try:
            for _ in range(600):
                time.sleep(0.1)
                with contextlib.suppress(httpx.HTTPError):
                    if httpx.get(ready, trust_env=False).is_success:
                        break
            yield process
        finally:
            process.terminate()


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def memory_kb(process: subprocess.Popen[bytes]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def configuration(url: str, targets: int) -> str:
    lines = [
        f"web: {{listen: '{LISTEN}'}}",
        f"defaults: {{interval: {INTERVAL_SECONDS}s}}",
        f"probes: {{count: {{prompt: Count., max_output_tokens: {TOKENS}}}}}",
        "targets:",
    ]
    target = f"provider: openai, model: {MODEL}, base_url: '{url}/v1'"
    return "\n".join([*lines, *(f"  - {{name: t{number}, {target}}}" for number in range(targets))])


def scrape() -> Samples:
    return Samples(httpx.get(f"http://{LISTEN}/metrics", timeout=30, trust_env=False).text)


def measure(url: str, targets: int, seconds: float) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "config.yaml")
        file.write_text(configuration(url, targets))
        command = [sys.executable, "-m", "exporter", "run", "--config", str(file)]
        with started(command, f"http://{LISTEN}/-/ready") as process:
            time.sleep(INTERVAL_SECONDS)  # every connection opened, every series rendered once
            before, cpu, at = scrape(), cpu_seconds(process), time.monotonic()
            time.sleep(seconds)
            cpu, elapsed = cpu_seconds(process) - cpu, time.monotonic() - at
            after, memory = scrape(), memory_kb(process)
    return Load(
        targets=targets,
        probes=_more(before, after, "inference_probes_total"),
        failures=_more(before, after, "inference_probes_total", outcome="failure"),
        uncertain=_more(before, after, "inference_probes_uncertain_total"),
        cpu_share=cpu / elapsed,
        delay_p99_seconds=_p99(before, after, "inference_exporter_schedule_delay_seconds"),
        lag_p99_seconds=_p99(before, after, "inference_exporter_measurement_lag_seconds"),
        memory_kb=memory,
    )


def _more(before: Samples, after: Samples, name: str, **labels: str) -> float:
    return after.sum(name, **labels) - before.sum(name, **labels)


def _p99(before: Samples, after: Samples, name: str) -> float:
    return quantile(before.buckets(name), after.buckets(name), 0.99)


def peer_cpu_ms_per_probe(url: str) -> float | None:
    """What blackbox_exporter's HTTP probe takes; it reads a short answer, once."""
    program = shutil.which("prometheus-blackbox-exporter") or shutil.which("blackbox_exporter")
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "blackbox.yml")
        file.write_text("modules: {http: {prober: http, timeout: 5s}}")
        command = [program, f"--config.file={file}", f"--web.listen-address={PEER_LISTEN}"]
        with started(command, f"http://{PEER_LISTEN}/-/healthy") as process:
            cpu = cpu_seconds(process)
            with httpx.Client(trust_env=False) as client:
                for _ in range(PEER_PROBES):
                    params = {"module": "http", "target": f"{url}/log?since=1000000"}
                    client.get(f"http://{PEER_LISTEN}/probe", params=params).raise_for_status()
            return (cpu_seconds(process) - cpu) * 1000 / PEER_PROBES


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than a minute, for CI")
    parser.add_argument("--targets", type=int, nargs="+", help="in place of 10, 100 and 1000")
    options = parser.parse_args()
    sizes = options.targets or ((50,) if options.quick else TARGETS)
    seconds = INTERVAL_SECONDS if options.quick else 4 * INTERVAL_SECONDS
    with truth_server() as url:
        loads = [measure(url, targets, seconds) for targets in sizes]
        peer = peer_cpu_ms_per_probe(url)
    print(f"\n{TOKENS} tokens, every {INTERVAL_SECONDS} s, one core\n")
    print("| targets | probes | failed | uncertain | CPU, % | ms/probe | delay p99 <=, ms "
          "| lag p99 <=, ms | memory, MB |")  # fmt: skip
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for load in loads:
        print(
            f"| {load.targets:,} | {load.probes:.0f} | {load.failures:.0f} | {load.uncertain:.0f} "
            f"| {load.cpu_share:.1%} | {load.cpu_ms_per_probe:.1f} "
            f"| {load.delay_p99_seconds * 1e3:g} | {load.lag_p99_seconds * 1e3:g} "
            f"| {load.memory_kb / 1e3:.0f} |"
        )
    if len(loads) > 1:
        first, last = loads[0], loads[-1]
        each = (last.memory_kb - first.memory_kb) / (last.targets - first.targets)
        print(f"\nMemory for each further target: {each:.0f} kB")
    if peer is not None:
        ratio = loads[-1].cpu_ms_per_probe / peer
        print(f"\nblackbox_exporter's HTTP probe: {peer:.2f} ms; ours takes {ratio:.1f} times"
              f" that, for {TOKENS} events")  # fmt: skip
    print(f"\n{os.cpu_count()} cores, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
