"""Measures how accurately the running exporter detects each signal of a cold model.

``python -m benchmarks.cold_starts`` simulates a server for each signal, and ``cold_start`` makes
the exporter leave it idle. The benchmark compares the measurements with the script. It prints the
error, which for a model that refuses requests is at most one retry interval, and the number of
requests. It then does the same for the phases of a server that restarts during the measurement.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from exporter.coldness import BootPhase, ColdSignal
from exporter.result import FailureReason
from exporter.simulator import Boot, Script, Sign, Simulator

LOADING_SECONDS = 3.0
FIRST_TOKEN_SECONDS = 0.2
RETRY_SECONDS = 0.25
UNLOADED_AFTER_SECONDS = 1.5
LISTENING_SECONDS = 2.0
POLL_SECONDS = 0.25
WARM_SECONDS = 8.0
"""The time during which the models stay warm, so that there is a warm median."""
FULL_SECONDS, QUICK_SECONDS = 120, 30


@dataclass(frozen=True, slots=True)
class Case:
    """One server and its configuration."""

    name: str
    provider: str
    sign: Sign


CASES = (
    Case("503 loading", "openai", Sign.NOT_READY),
    Case("429 ModelNotReadyException", "bedrock", Sign.NOT_READY),
    Case("502 of a proxy", "openai", Sign.BAD_GATEWAY),
    Case("503 of a proxy", "openai", Sign.UNAVAILABLE),
    Case("held request", "openai", Sign.HELD),
    Case("held request, load_duration", "ollama", Sign.HELD),
    Case("late first token", "openai", Sign.SILENT),
)
BOOTING = "boots"


def simulated(boot: Boot | None, listen_after_seconds: float = 0.0) -> Simulator:
    script = Script(first_token_seconds=FIRST_TOKEN_SECONDS, token_gap_seconds=0.005, boot=boot)
    return Simulator({"m": script}, listen_after_seconds=listen_after_seconds)


def configuration(servers: Sequence[Simulator], booting: Simulator) -> str:
    """Return a configuration with every server as a target."""
    idle = 2 * UNLOADED_AFTER_SECONDS
    cold_start = f"cold_start: {{idle: {idle}, every: 12, retry: {RETRY_SECONDS}}}"
    targets = [
        target(case.name, case.provider, server.url, f"api_key: {{file: key}}, {cold_start}")
        for case, server in zip(CASES, servers, strict=True)
    ]
    boot = f"boot: {{poll: {POLL_SECONDS}}}"
    targets.append(target(BOOTING, "vllm", f"{booting.url}/v1", boot))
    lines = ["web: {listen: '127.0.0.1:0'}", "defaults: {interval: 500ms}", "targets:", *targets]
    return "\n".join(lines)


def target(name: str, provider: str, url: str, more: str) -> str:
    return f"- {{name: {name!r}, provider: {provider}, model: m, base_url: '{url}', {more}}}"


async def scrapes(seconds: float) -> tuple[Scrape, Scrape]:
    """Scrape the exporter before any model is cold, and again after this time."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(simulated(None)) for _ in CASES]
        booting = simulated(Boot(LOADING_SECONDS), LISTENING_SECONDS)
        await stack.enter_async_context(booting)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "key").write_text("sk-simulated")
        (folder / "config.yaml").write_text(configuration(servers, booting))
        url = await stack.enter_async_context(exporting(folder / "config.yaml"))
        await asyncio.sleep(WARM_SECONDS)
        for case, server in zip(CASES, servers, strict=True):
            boot = Boot(LOADING_SECONDS, UNLOADED_AFTER_SECONDS, case.sign)
            server.scripts["m"] = replace(server.scripts["m"], boot=boot)
        before = await scraped(url)
        await booting.restart()
        await asyncio.sleep(seconds)
        return before, await scraped(url)


@asynccontextmanager
async def exporting(config: Path) -> AsyncIterator[str]:
    """Run the exporter as users do; yield its URL."""
    exporter = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", "run", "--config", str(config)),
        stderr=asyncio.subprocess.PIPE,
    )
    assert exporter.stderr
    url = await started(exporter.stderr)
    log = asyncio.create_task(exporter.stderr.read())
    try:
        yield url
    finally:
        exporter.terminate()
        await log


async def scraped(url: str) -> Scrape:
    async with httpx.AsyncClient(trust_env=False) as client:
        return Scrape((await client.get(f"{url}/metrics")).text)


async def started(log: asyncio.StreamReader) -> str:
    """Read the exporter's URL from its log."""
    async for line in log:
        if "url" in (said := json.loads(line)):
            return str(said["url"])
    raise RuntimeError("the exporter did not start")


class Scrape:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        families = text_string_to_metric_families(text)
        self._samples = [sample for family in families for sample in family.samples]

    def sum(self, name: str, target: str, **labels: str) -> float:
        """Return the sum of all samples of a target with these labels."""
        wanted = {"target": target, **labels}.items()
        return sum(s.value for s in self._samples if s.name == name and wanted <= s.labels.items())


class Increase:
    """The difference between two scrapes."""

    def __init__(self, before: Scrape, after: Scrape) -> None:
        self._before = before
        self._after = after

    def of(self, name: str, target: str, **labels: str) -> float:
        """Return the increase of a counter of one target."""
        return self._after.sum(name, target, **labels) - self._before.sum(name, target, **labels)

    def signals(self, target: str) -> str:
        """Return every signal that the exporter detected for a target."""
        seen = (s for s in ColdSignal if self.of("inference_cold_starts_total", target, signal=s))
        return ", ".join(seen)


def print_signals(increase: Increase) -> None:
    scripted = LOADING_SECONDS + FIRST_TOKEN_SECONDS
    print(f"cold starts of {scripted:g} s, asked again every {RETRY_SECONDS:g} s\n")
    print("| the model shows | signal | n | measured, s | error, s | requests each | failures |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for case in CASES:
        name = case.name
        count = increase.of("inference_cold_start_duration_seconds_count", name)
        mean = increase.of("inference_cold_start_duration_seconds_sum", name) / count
        requests = increase.of("inference_cold_start_attempts_total", name) / count
        failures = increase.of("inference_probe_failures_total", name)
        print(
            f"| {name} | {increase.signals(name)} | {count:.0f} | {mean:.3f}"
            f" | {mean - scripted:+.3f} | {requests:.1f} | {failures:.0f} |"
        )


def print_boot(scrape: Scrape, increase: Increase) -> None:
    scripted = {
        BootPhase.LISTENING: LISTENING_SECONDS,
        BootPhase.HEALTHY: LOADING_SECONDS,
        BootPhase.MODEL_LISTED: LOADING_SECONDS,
        BootPhase.FIRST_TOKEN: LOADING_SECONDS + FIRST_TOKEN_SECONDS,
    }
    print(f"\na boot, looked at every {POLL_SECONDS:g} s\n")
    print("| phase | script, s | measured, s | error, s |\n|---|--:|--:|--:|")
    for phase, seconds in scripted.items():
        measured = scrape.sum("inference_boot_phase_duration_seconds", BOOTING, phase=phase)
        print(f"| {phase} | {seconds:g} | {measured:.3f} | {measured - seconds:+.3f} |")
    wrong = {
        reason.value: count
        for reason in FailureReason
        if (count := increase.of("inference_probe_failures_total", BOOTING, reason=reason))
    }
    print(f"\nfailures meanwhile: {wrong}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_starts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer cold starts, for CI")
    seconds = QUICK_SECONDS if parser.parse_args().quick else FULL_SECONDS
    before, after = asyncio.run(scrapes(seconds))
    increase = Increase(before, after)
    print_signals(increase)
    print_boot(after, increase)


if __name__ == "__main__":
    main()
