"""The exporter as its users run it: ``probe`` and ``run``, in separate processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel

from exporter.result import FailureReason
from tests.real.servers import API_KEY, MODEL, free_port

_PROBE_SECONDS = 120.0
_START_SECONDS = 20.0
_EXPORTER = [sys.executable, "-m", "exporter"]


class Failure(BaseModel):
    reason: FailureReason
    detail: str
    status: int | None


class Usage(BaseModel):
    input: int
    output: int
    cached_input: int


class Result(BaseModel):
    """One probe in the output of ``probe --json``."""

    success: bool
    failure: Failure | None
    time_to_first_token_seconds: float | None
    time_per_output_token_seconds: float | None
    output_tokens_per_second: float | None
    request_duration_seconds: float | None
    uncertainty_seconds: float | None
    usage: Usage | None
    earlier_usage: Usage | None
    cold_prompt_first_token_seconds: float | None
    cached_input_ratio: float | None
    embedding_dimensions: int | None
    finish_reason: str | None
    served_model: str | None
    model_load_seconds: float | None
    request_id: str | None
    status: int | None
    answer: str

    @property
    def reason(self) -> FailureReason | None:
        return self.failure.reason if self.failure else None


class _Document(BaseModel):
    results: list[Result]


class Probing:
    """A running ``probe --json``."""

    def __init__(self, *arguments: str, key: str = API_KEY) -> None:
        self._process = subprocess.Popen(
            [*_EXPORTER, "probe", "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment({"REAL_SERVER_KEY": key}),
        )

    def results(self) -> list[Result]:
        """Wait for the end, and check that the exit code matches the results."""
        try:
            output, log = self._process.communicate(timeout=_PROBE_SECONDS)
        finally:
            self._process.kill()
        assert output, log
        results = _Document.model_validate_json(output).results
        assert self._process.returncode == (0 if all(r.success for r in results) else 1), log
        return results


TargetOptions = Callable[[str, str], tuple[str, ...]]
"""Returns the options of ``probe`` for a server's base URL, including ``/v1``, and a model."""


def openai_target(base_url: str, model: str) -> tuple[str, ...]:
    """Return the options of ``probe`` for an OpenAI-compatible server."""
    return target_options("openai", base_url, model)


def anthropic_target(base_url: str, model: str) -> tuple[str, ...]:
    """Return the options of ``probe`` for the same server's Anthropic API."""
    return target_options("anthropic", base_url.removesuffix("/v1"), model)


def target_options(provider: str, base_url: str, model: str) -> tuple[str, ...]:
    """Return the options of ``probe`` for any provider that accepts a key."""
    options = ("--provider", provider, "--model", model, "--base-url", base_url)
    return (*options, "--api-key-env", "REAL_SERVER_KEY")


def probe(*arguments: str, key: str = API_KEY) -> list[Result]:
    """Run ``probe --json`` until it ends."""
    return Probing(*arguments, key=key).results()


def ask(
    folder: Path, provider: str, base_url: str, probe: Mapping[str, object], count: int = 1
) -> list[Result]:
    """Run probes of any kind, on a server that can be slow."""
    target = {
        "name": "real",
        "provider": provider,
        "model": MODEL,
        "base_url": base_url,
        "api_key": {"env": "REAL_SERVER_KEY"},
        "timeouts": {"first_token": "120s", "total": "180s"},
    }
    path = folder / "config.yaml"  # JSON is YAML
    path.write_text(json.dumps({"probes": {"asked": dict(probe)}, "targets": [target]}))
    return Probing("--config", str(path), "--target", "real", "-n", str(count)).results()


class Scrape:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        families = text_string_to_metric_families(text)
        self._samples = [sample for family in families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """Return the value of the only sample with this name and at least these labels.

        :raises LookupError: there is no such sample, or there are several.
        """
        found = [
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        if len(found) != 1:
            raise LookupError(f"{len(found)} samples are {name} with {labels}")
        return found[0]

    def failures(self) -> Counter[FailureReason]:
        """Return how many probes have failed since the start, by reason."""
        return Counter(
            {
                FailureReason(sample.labels["reason"]): int(sample.value)
                for sample in self._samples
                if sample.name == "inference_probe_failures_total" and sample.value
            }
        )


@dataclass(frozen=True, slots=True)
class Exporter:
    """A running ``run``."""

    url: str

    def metrics(self) -> Scrape:
        """Return what Prometheus would scrape now."""
        return Scrape(httpx.get(f"{self.url}/metrics", trust_env=False).raise_for_status().text)

    def probe_now(self, target: str) -> FailureReason | None:
        """Probe the only target through ``/probe``. Return the reason if it failed."""
        url = f"{self.url}/probe?target={target}"
        before = self.metrics().failures()
        after = Scrape(httpx.get(url, trust_env=False, timeout=30).raise_for_status().text)
        new = list(after.failures() - before)
        assert len(new) <= 1
        return new[0] if new else None


@contextmanager
def running_exporter(folder: Path, config: Mapping[str, object]) -> Iterator[Exporter]:
    """Start ``run --config`` with this configuration, and yield it when it is ready."""
    port = free_port()
    path = folder / "exporter.yaml"  # JSON is YAML
    path.write_text(json.dumps({"web": {"listen": f"127.0.0.1:{port}"}, **config}))
    with (folder / "exporter.log").open("wb") as log:
        process = subprocess.Popen(
            [*_EXPORTER, "run", "--config", str(path)],
            stdout=log,
            stderr=log,
            env=_environment({"REAL_SERVER_KEY": API_KEY}),
        )
    try:
        exporter = Exporter(f"http://127.0.0.1:{port}")
        _wait_until_ready(exporter, process, folder / "exporter.log")
        yield exporter
        process.terminate()
        assert process.wait(30) == 0, "SIGTERM must end the exporter in good order"
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(exporter: Exporter, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{exporter.url}/-/ready", trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.05)
    raise TimeoutError(f"the exporter is not ready; its log:\n{log.read_text()}")


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "NO_PROXY": "127.0.0.1", **extra}
