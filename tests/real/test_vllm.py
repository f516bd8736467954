"""vLLM on a CPU: watched during two boots, and compared with its own histograms."""

from __future__ import annotations

import json
import math
import os
import signal
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from exporter.coldness import BootPhase
from exporter.result import FailureReason
from tests.real.conftest import Figures
from tests.real.engines import BOOT_SECONDS, VLLM_CONTEXT_TOKENS, vllm
from tests.real.exporter_process import (
    Exporter,
    Probing,
    Scrape,
    probe,
    running_exporter,
    target_options,
)
from tests.real.pairs import OwnHistogram, median_ratio, pairs
from tests.real.servers import MODEL, Installation, Server, free_port
from tests.real.watching import Watch, wait_for, watching

IS_UP = "Application startup complete."
POLL_SECONDS = 0.1
SLACK_SECONDS = 0.4
"""The time that polling takes on both sides, while the server loads on the same few CPUs."""
SHARE_APART = 0.01
"""The goal for the difference, as a share of the server's own time. On a busy machine, its bytes
wait for a CPU, and the times differ more."""
MEASURE = "time_per_output_token_seconds"
PAIRS = 60
"""How many requests are compared, one by one."""
FACES = {"vllm": "/v1", "openai": "/v1", "openai_responses": "/v1", "anthropic": ""}
LONG_STREAM_TOKENS = VLLM_CONTEXT_TOKENS - 256

every_face = pytest.mark.parametrize("provider", FACES)


@dataclass(frozen=True, slots=True)
class Boot:
    """When each phase ended, as seen by the exporter and by the test, in Unix seconds."""

    ended: Mapping[BootPhase, float]
    truth: Watch
    boots_counted: float
    failures: set[FailureReason]


@dataclass(frozen=True, slots=True)
class Booted:
    server: Server
    boots: list[Boot]


def target(provider: str, port: int, **settings: object) -> dict[str, object]:
    return {
        "name": "vllm",
        "provider": provider,
        "model": MODEL,
        "base_url": f"http://127.0.0.1:{port}{FACES[provider]}",
        "api_key": {"env": "REAL_SERVER_KEY"},
        **settings,
    }


def config(*targets: Mapping[str, object], max_output_tokens: int = 64) -> dict[str, object]:
    asked = {"prompt": "count from one to twenty", "max_output_tokens": max_output_tokens}
    return {"probes": {"count": asked}, "targets": list(targets)}


def ask(folder: Path, target: Mapping[str, object], count: int = 1, tokens: int = 64) -> Probing:
    path = folder / "config.yaml"  # JSON is YAML
    path.write_text(json.dumps(config(target, max_output_tokens=tokens)))
    return Probing("--config", str(path), "--target", "vllm", "-n", str(count))


def _booting(exporter: Exporter, port: int, log: Path) -> Boot:
    wait_for(lambda: not math.isnan(_not_ready_since(exporter)))
    began = _not_ready_since(exporter)
    with watching(port, log, IS_UP) as truth:
        wait_for(lambda: not math.isnan(_seconds(exporter)[BootPhase.FIRST_TOKEN]), BOOT_SECONDS)
    scrape = exporter.metrics()
    ended = {phase: began + seconds for phase, seconds in _seconds(exporter).items()}
    counted = scrape.value("inference_cold_starts_total", signal="boot")
    return Boot(ended, truth, counted, set(scrape.failures()))


def _not_ready_since(exporter: Exporter) -> float:
    return exporter.metrics().value("inference_not_ready_since_timestamp_seconds")


def _seconds(exporter: Exporter) -> dict[BootPhase, float]:
    scrape = exporter.metrics()
    name = "inference_boot_phase_duration_seconds"
    return {phase: scrape.value(name, phase=phase) for phase in BootPhase}


@pytest.fixture(scope="module")
def booted(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Booted]:
    """Run a server that the exporter has seen boot, crash, and boot again."""
    port = free_port()
    boots = []
    watched = target("vllm", port, interval="1h", boot={"poll": f"{POLL_SECONDS}s"})
    log = installation.logs / f"vllm-{port}.log"
    with ExitStack() as stack:
        with running_exporter(tmp_path_factory.mktemp("boots"), config(watched)) as exporter:
            with vllm(installation, port) as server:
                boots.append(_booting(exporter, port, log))
                server.kill()
            wait_for(lambda: not math.isnan(_not_ready_since(exporter)))
            server = stack.enter_context(vllm(installation, port))
            boots.append(_booting(exporter, port, log))
        yield Booted(server, boots)


def test_both_boots_are_timed_as_the_server_itself_logs_them(
    booted: Booted, figures: Figures
) -> None:
    assert [boot.boots_counted for boot in booted.boots] == [1, 2]
    for number, boot in enumerate(booted.boots, 1):
        ended, truth = boot.ended, boot.truth
        seen = {
            BootPhase.LISTENING: truth.listening,
            BootPhase.HEALTHY: truth.healthy,
            BootPhase.MODEL_LISTED: truth.up,
        }
        late = {phase: ended[phase] - at for phase, at in seen.items()}
        words = ", ".join(f"{phase} {seconds:+.2f} s" for phase, seconds in late.items())
        figures.note(f"vLLM's boot {number}, exporter minus server: {words}")
        assert list(ended) == sorted(ended, key=lambda phase: ended[phase])
        for phase, seconds in late.items():
            assert -0.05 < seconds < POLL_SECONDS + SLACK_SECONDS, phase
        assert boot.failures <= {FailureReason.NOT_READY}


@every_face
def test_it_is_probed_through_each_of_its_faces(
    provider: str, booted: Booted, tmp_path: Path, figures: Figures
) -> None:
    results = ask(tmp_path, target(provider, booted.server.port), 5).results()

    figures.keep(f"vLLM, {provider}", results)
    for result in results:
        assert result.success, result.failure
        assert result.served_model == MODEL
        assert result.usage is not None
        assert 1 <= result.usage.output <= 64
        assert result.time_to_first_token_seconds is not None


@every_face
def test_a_wrong_key_is_auth(provider: str, booted: Booted) -> None:
    options = target_options(provider, booted.server.root + FACES[provider], MODEL)
    [result] = probe(*options, key="sk-wrong")

    assert result.reason is FailureReason.AUTH


def test_its_messages_face_takes_a_bearer_key_only(booted: Booted, tmp_path: Path) -> None:
    """Anthropic's older version sends ``x-api-key``, which vLLM ignores."""
    older = target("anthropic", booted.server.port, api_version="2023-06-01")
    [result] = ask(tmp_path, older).results()

    assert result.reason is FailureReason.AUTH


@every_face
def test_a_model_that_it_does_not_have_is_not_found(provider: str, booted: Booted) -> None:
    options = target_options(provider, booted.server.root + FACES[provider], "no-such-model")
    [result] = probe(*options)

    assert result.failure is not None
    assert (result.reason, result.failure.status) == (FailureReason.NOT_FOUND, 404)


@every_face
def test_a_prompt_beyond_the_context_is_bad_request(provider: str, booted: Booted) -> None:
    options = target_options(provider, booted.server.root + FACES[provider], MODEL)
    [result] = probe(*options, "--prompt", "x, " * VLLM_CONTEXT_TOKENS)

    assert result.failure is not None
    assert (result.reason, result.failure.status) == (FailureReason.BAD_REQUEST, 400)


STOPS = {"logit_bias": {"1": 100}}
"""Makes the end token come as soon as possible."""
ANSWERS: Mapping[str, tuple[int, dict[str, object]]] = {
    "6 tokens, by stop": (6, {"min_tokens": 5, **STOPS}),
    "16 tokens, by stop": (16, {"min_tokens": 15, **STOPS}),
    "6 tokens, by length": (6, {"max_tokens": 6, "ignore_eos": True}),
    "16 tokens, by length": (16, {"max_tokens": 16, "ignore_eos": True}),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_time_per_token_is_the_servers(
    kind: str, booted: Booted, tmp_path: Path, figures: Figures
) -> None:
    """It counts the end token, but never sends it."""
    tokens, body = ANSWERS[kind]
    asked = target("vllm", booted.server.port, extra_body=body, interval="24h")
    [first] = ask(tmp_path, asked).results()  # also excludes the warm-up of the first request
    assert first.usage
    assert first.usage.output == tokens
    name = "vllm:request_time_per_output_token_seconds"
    own = OwnHistogram(f"{booted.server.root}/metrics", name)

    with running_exporter(tmp_path, config(asked)) as exporter:
        measured = pairs(exporter, "vllm", "inference_last_probe_" + MEASURE, own, PAIRS)

    ratio, mean = median_ratio(measured), statistics.fmean(pair.its_own for pair in measured)
    spread = statistics.quantiles([pair.ratio - 1 for pair in measured], n=20)
    figures.note(
        f"vLLM, {kind}: TPOT {ratio - 1:+.2%} of its own ({mean * 1e3:.2f} ms), median of"
        f" {len(measured)} single requests, 90 % of them {spread[0]:+.1%} to {spread[-1]:+.1%}"
    )
    assert len(measured) > PAIRS / 2
    assert ratio == pytest.approx(1, abs=3 * SHARE_APART)


def test_an_engine_that_is_killed_within_the_stream_is_a_server_error(
    booted: Booted, tmp_path: Path, figures: Figures
) -> None:
    """The HTTP process lives a moment longer, and reports the failure in the stream. This test is
    the last one, because the server ends."""
    asked = target("vllm", booted.server.port, extra_body={"ignore_eos": True})
    probing = ask(tmp_path, asked, 1, LONG_STREAM_TOKENS)
    known = _running(booted.server)
    wait_for(lambda: _running(booted.server) > 0, 60)
    assert known == 0
    time.sleep(1)
    os.kill(_engine(booted.server.pid), signal.SIGKILL)

    [result] = probing.results()

    assert result.status == 200
    assert result.answer
    assert result.failure is not None
    figures.note(f"vLLM, engine killed within the stream: {result.failure}")
    assert result.reason in {FailureReason.SERVER_ERROR, FailureReason.TRUNCATED}


def _running(server: Server) -> float:
    text = httpx.get(f"{server.root}/metrics", trust_env=False).raise_for_status().text
    return Scrape(text).value("vllm:num_requests_running")


def _engine(server: int) -> int:
    """Return the server's engine process, by its name."""
    for process in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if not process.name.isdigit():
                continue
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == server and b"EngineCore" in (process / "cmdline").read_bytes():
                return int(process.name)
    raise LookupError("the server has no engine")
