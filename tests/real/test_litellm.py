"""LiteLLM's proxy, in front of its own mock and of real servers, through both of its APIs."""

from __future__ import annotations

import time

import pytest

from exporter.result import FailureReason
from tests.real.conftest import Figures
from tests.real.exporter_process import (
    Probing,
    TargetOptions,
    anthropic_target,
    openai_target,
    probe,
)
from tests.real.servers import CONTEXT_TOKENS, Installation, Server, generations

both_faces = pytest.mark.parametrize("face", [openai_target, anthropic_target])


def test_its_mock_model_is_timed(litellm: Server, figures: Figures) -> None:
    results = probe(*openai_target(litellm.base_url, "mock"), "-n", "10")

    figures.keep("LiteLLM's proxy, mock model", results)
    for result in results:
        assert result.success
        assert result.answer == "The quick brown fox jumps over the lazy dog and walks home."
        assert result.finish_reason == "stop"
        assert result.served_model == "mock"
        assert result.usage is not None
        assert 10 < result.usage.output < 20
        assert result.time_to_first_token_seconds is not None
        assert result.request_duration_seconds is not None
        assert 0 < result.time_to_first_token_seconds < result.request_duration_seconds


def test_its_mock_model_does_not_stream_to_anthropics_face(litellm: Server) -> None:
    """It always answers with one JSON object."""
    [result] = probe(*anthropic_target(litellm.base_url, "mock"))

    assert result.status == 200
    assert result.reason is FailureReason.PROTOCOL


@both_faces
def test_it_hands_on_the_usage_of_the_server_behind_it(
    face: TargetOptions, litellm: Server, llama_server: Server, figures: Figures
) -> None:
    known = len(generations(llama_server.log))

    results = probe(*face(litellm.base_url, "llama"), "-n", "10")

    truths = generations(llama_server.log)[known:]
    figures.keep(f"LiteLLM's proxy, {face.__name__}", results)
    figures.keep_log(truths)
    for result, truth in zip(results, truths, strict=True):
        assert result.success
        assert result.usage is not None
        assert result.usage.output == truth.output_tokens == 64
        assert result.usage.input - result.usage.cached_input == truth.evaluated_prompt_tokens
        assert result.time_to_first_token_seconds is not None
        assert result.time_to_first_token_seconds > truth.prompt_seconds


def test_it_makes_up_usage_for_a_server_that_gives_none(litellm: Server) -> None:
    """It counts with its own tokenizer, and nothing on the wire shows that."""
    [result] = probe(*openai_target(litellm.base_url, "no-usage"))

    words = len(result.answer.split())
    assert words == 64
    assert result.usage is not None
    assert result.usage.output > words


@both_faces
@pytest.mark.parametrize(
    ("model", "reason", "status"),
    [
        ("limited", FailureReason.RATE_LIMITED, 429),
        ("broken", FailureReason.SERVER_ERROR, 500),
        ("doomed", FailureReason.SERVER_ERROR, 500),
        ("no-such-model", FailureReason.NOT_FOUND, 400),
    ],
)
def test_its_errors_have_reasons(
    face: TargetOptions, litellm: Server, model: str, reason: FailureReason, status: int
) -> None:
    [result] = probe(*face(litellm.base_url, model))

    assert result.failure is not None
    assert (result.reason, result.failure.status) == (reason, status)


@both_faces
def test_a_wrong_key_is_auth(face: TargetOptions, litellm: Server) -> None:
    """Without a database, it can't look up keys, and returns status 400."""
    [result] = probe(*face(litellm.base_url, "mock"), key="sk-wrong")

    assert result.reason is FailureReason.AUTH


@both_faces
def test_a_server_that_dies_behind_it_is_an_error_within_the_stream(
    face: TargetOptions, litellm: Server, installation: Installation, doomed_port: int
) -> None:
    with installation.llama_server(doomed_port) as server:
        server.wait_until_ready("/health")
        known = server.log.read_text().count("launch_slot_")
        target = face(litellm.base_url, "doomed")
        probing = Probing(*target, "--max-output-tokens", str(CONTEXT_TOKENS - 512))
        while server.log.read_text().count("launch_slot_") == known:
            time.sleep(0.01)
        time.sleep(1)
        server.kill()

        [result] = probing.results()

    assert result.status == 200
    assert result.answer
    assert result.reason is FailureReason.SERVER_ERROR
