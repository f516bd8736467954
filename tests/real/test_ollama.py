"""Ollama: its own API, its three compatible APIs, and the statistics in its last lines."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from exporter.result import FailureReason
from tests.real.conftest import Figures
from tests.real.engines import ollama
from tests.real.exporter_process import Result, ask, probe, target_options
from tests.real.servers import MODEL, Installation, Server
from tests.real.tap import Tap, tapping

FACES = {"ollama": "", "openai": "/v1", "openai_responses": "/v1", "anthropic": ""}
STOPPING = "stopping"
UNLOAD = {"keep_alive": 0}

every_face = pytest.mark.parametrize("provider", FACES)


@pytest.fixture(scope="module")
def server(installation: Installation) -> Iterator[Server]:
    with ollama(installation) as server:
        yield server


@dataclass(frozen=True, slots=True)
class LastLine:
    """Ollama's statistics in the last line of an answer."""

    output_tokens: int
    output_seconds: float
    """From the first output token to the last, because Ollama counts the first decoding step
    towards the prompt."""
    load_seconds: float

    @property
    def seconds_per_output_token(self) -> float:
        return self.output_seconds / (self.output_tokens - 1)


def last_lines(tap: Tap) -> list[LastLine]:
    """Return all so far. Ollama omits a duration of 0, as in an answer of one token."""
    lines = [line for line in tap.heard.split(b"\n") if b'"done":true' in line]
    said = [json.loads(line[line.index(b"{") :]) for line in lines]
    return [
        LastLine(one["eval_count"], one.get("eval_duration", 0) / 1e9, one["load_duration"] / 1e9)
        for one in said
    ]


@every_face
def test_it_is_probed_through_each_of_its_faces(
    provider: str, server: Server, figures: Figures
) -> None:
    results = probe(*target_options(provider, server.root + FACES[provider], MODEL), "-n", "5")

    figures.keep(f"Ollama, {provider}", results)
    for result in results:
        assert result.success, result.failure
        assert result.served_model == MODEL
        assert result.usage is not None
        assert result.usage.output == 64
        assert len(result.answer.split()) == 64


@every_face
def test_a_model_that_it_does_not_have_is_not_found(provider: str, server: Server) -> None:
    [result] = probe(*target_options(provider, server.root + FACES[provider], "no-such-model"))

    assert result.failure is not None
    assert (result.reason, result.failure.status) == (FailureReason.NOT_FOUND, 404)


@pytest.mark.parametrize(
    ("model", "finish_reason"), [(MODEL, "length"), (STOPPING, "stop")], ids=["length", "stop"]
)
def test_time_per_token_is_the_servers(
    model: str, finish_reason: str, server: Server, figures: Figures
) -> None:
    """Its output time starts with the first token, like ours, but excludes the time between
    decoding steps."""
    with tapping(server.port) as tap:
        target = target_options("ollama", tap.url, model)
        probe(*target)
        known = len(last_lines(tap))
        results = probe(*target, "-n", "20")
        truths = last_lines(tap)[known:]

    assert len(truths) == len(results) == 20
    figures.keep(f"Ollama, by {finish_reason}", results)
    pairs = [
        (result, truth)
        for result, truth in zip(results, truths, strict=True)
        if result.time_per_output_token_seconds and truth.output_tokens >= 6
    ]
    first = statistics.median(result.time_to_first_token_seconds or 0 for result in results)
    each = statistics.median(truth.seconds_per_output_token for _, truth in pairs)
    figures.keep_server("  by its last lines", len(pairs), first, each)
    assert {result.finish_reason for result in results} == {finish_reason}
    assert all(
        result.usage and result.usage.output == truth.output_tokens
        for result, truth in zip(results, truths, strict=True)
    )
    ratios = [_ratio(result, truth) for result, truth in pairs]
    figures.note(
        f"Ollama, by {finish_reason}: TPOT {statistics.median(ratios) - 1:+.2%} of its own, median "
        f"of {len(ratios)} answers of at least 6 tokens"
    )
    assert statistics.median(ratios) == pytest.approx(1, abs=0.05)


def _ratio(result: Result, truth: LastLine) -> float:
    assert result.time_per_output_token_seconds
    return result.time_per_output_token_seconds / truth.seconds_per_output_token


def test_a_cold_start_tells_how_long_the_load_took(server: Server, tmp_path: Path) -> None:
    cold = one_probe(server, tmp_path, {})
    unload(server)
    again = one_probe(server, tmp_path, {})

    assert cold.success
    assert again.success
    assert again.model_load_seconds is not None
    assert again.time_to_first_token_seconds is not None
    assert again.model_load_seconds > 0.1
    assert again.time_to_first_token_seconds > again.model_load_seconds


def one_probe(server: Server, folder: Path, body: Mapping[str, object]) -> Result:
    target = {
        "name": "ollama",
        "provider": "ollama",
        "model": MODEL,
        "base_url": server.root,
        "extra_body": body,
    }
    config = folder / "config.yaml"  # JSON is YAML
    config.write_text(json.dumps({"targets": [target], "probes": {"p": {"prompt": "Count."}}}))
    [result] = probe("--config", str(config), "--target", "ollama")
    return result


def test_its_list_has_the_model(server: Server, tmp_path: Path) -> None:
    [result] = ask(tmp_path, "ollama", server.root, {"kind": "models"})
    assert result.success, result.failure


def test_a_text_becomes_a_vector(server: Server, tmp_path: Path) -> None:
    results = ask(tmp_path, "ollama", server.root, {"kind": "embeddings"}, 2)
    assert [result.failure for result in results] == [None] * 2
    assert [result.embedding_dimensions for result in results] == [256] * 2


def test_the_same_prompts_get_the_same_answers(
    server: Server, tmp_path: Path, figures: Figures
) -> None:
    first, again = (
        ask(tmp_path, "ollama", server.root, {"kind": "fingerprint"}, 10) for _ in range(2)
    )
    assert [result.failure for result in [*first, *again]] == [None] * 20
    same = sum(a.answer == b.answer for a, b in zip(first, again, strict=True))
    figures.note(f"Ollama, fingerprint: {same} of 10 answers the same")
    assert same >= 9


def loaded(server: Server) -> set[str]:
    """The models in memory, without their tags."""
    models = httpx.get(f"{server.root}/api/ps", trust_env=False).raise_for_status().json()["models"]
    return {model["name"].partition(":")[0] for model in models}


def unload(server: Server) -> None:
    body = {"model": MODEL, **UNLOAD}
    httpx.post(f"{server.root}/api/generate", json=body, trust_env=False).raise_for_status()
    deadline = time.monotonic() + 60
    while MODEL in loaded(server):
        assert time.monotonic() < deadline, "the model stays in memory"
        time.sleep(0.1)
