"""llm-katan, an independent fake, checks three dialects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.result import FailureReason
from tests.real.conftest import Figures
from tests.real.exporter_process import Result, probe, target_options
from tests.real.fakes import FIRST_TOKEN_MS, GAP_MS, llm_katan
from tests.real.servers import MODEL, Installation, Server

TIMER_SECONDS = 0.002
ANTHROPIC_WITH_ITS_OWN_HEADER = "2023-06-01"


@pytest.fixture(scope="module")
def server(installation: Installation) -> Iterator[Server]:
    with llm_katan(installation) as server:
        yield server


@pytest.mark.parametrize(("provider", "path"), [("openai", "/v1"), ("azure", "")])
def test_its_answer_is_understood_and_timed(
    provider: str, path: str, server: Server, figures: Figures
) -> None:
    """It waits for its time to first token twice: before it generates the answer, and before it
    streams it. It sends one word per chunk, but counts differently."""
    results = probe(*target_options(provider, server.root + path, MODEL), "-n", "5")

    figures.keep(f"llm-katan, {provider}", results)
    for result in results:
        assert result.success, result.failure
        assert result.served_model == MODEL
        assert result.finish_reason == "stop"
        assert result.usage is not None
        assert result.time_to_first_token_seconds is not None
        assert result.request_duration_seconds is not None
        assert result.uncertainty_seconds is not None
        early = TIMER_SECONDS + result.uncertainty_seconds
        assert result.time_to_first_token_seconds > 2 * FIRST_TOKEN_MS / 1000 - early
        stream = result.request_duration_seconds - result.time_to_first_token_seconds
        words = len(result.answer.split())
        assert stream > (words - 1) * (GAP_MS / 1000 - TIMER_SECONDS) - early


def ask_as_anthropic(server: Server, folder: Path, version: str | None) -> Result:
    target = {
        "name": "katan",
        "provider": "anthropic",
        "model": MODEL,
        "base_url": server.root,
        "api_key": {"env": "REAL_SERVER_KEY"},
        **({"api_version": version} if version else {}),
    }
    config = folder / "config.yaml"  # JSON is YAML
    config.write_text(json.dumps({"targets": [target], "probes": {"p": {"prompt": "Count."}}}))
    [result] = probe("--config", str(config), "--target", "katan")
    return result


def test_its_messages_face_wants_anthropics_own_header(server: Server, tmp_path: Path) -> None:
    """Anthropic also accepts a bearer token, which the newer version sends."""
    refused = ask_as_anthropic(server, tmp_path, None)
    answered = ask_as_anthropic(server, tmp_path, ANTHROPIC_WITH_ITS_OWN_HEADER)

    assert refused.reason is FailureReason.AUTH
    assert answered.success, answered.failure
    assert answered.finish_reason == "end_turn"
