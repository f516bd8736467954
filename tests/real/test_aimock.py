"""aimock, an independent fake, checks seven dialects."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from exporter.result import FailureReason
from tests.real.conftest import Figures
from tests.real.exporter_process import Result, probe, target_options
from tests.real.fakes import (
    ANSWER,
    FIRST_TOKEN_MS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    TOKENS_PER_SECOND,
    aimock,
    chaos,
)
from tests.real.servers import MODEL, Installation, Server

PATHS = {
    "openai": "/v1",
    "openai_responses": "/v1",
    "azure": "",
    "anthropic": "",
    "bedrock": "",
    "gemini": "/v1beta",
    "ollama": "",
}
CHUNK_CHARACTERS = 3
TIMER_SECONDS = 0.002
"""How early a timer in Node can fire."""

every_dialect = pytest.mark.parametrize("provider", PATHS)


@pytest.fixture(scope="module")
def server(installation: Installation) -> Iterator[Server]:
    with aimock(installation) as server:
        yield server


def ask(server: Server, provider: str, count: int = 1) -> list[Result]:
    target = target_options(provider, server.root + PATHS[provider], MODEL)
    return probe(*target, "-n", str(count))


@every_dialect
def test_its_answer_is_understood_and_timed(
    provider: str, server: Server, figures: Figures
) -> None:
    results = ask(server, provider, 3)

    figures.keep(f"aimock, {provider}", results)
    gaps = len(ANSWER) // CHUNK_CHARACTERS - 1
    for result in results:
        assert result.success, result.failure
        assert result.answer == ANSWER
        assert result.finish_reason in {"stop", "STOP", "end_turn", "completed"}
        assert result.usage is not None
        assert result.time_to_first_token_seconds is not None
        assert result.request_duration_seconds is not None
        assert result.uncertainty_seconds is not None
        early = TIMER_SECONDS + result.uncertainty_seconds
        assert result.time_to_first_token_seconds > FIRST_TOKEN_MS / 1000 - early
        stream = result.request_duration_seconds - result.time_to_first_token_seconds
        assert stream > gaps * (1 / TOKENS_PER_SECOND - TIMER_SECONDS) - early


@pytest.mark.parametrize("provider", sorted(PATHS.keys() - {"ollama"}))
def test_its_usage_is_found(provider: str, server: Server) -> None:
    [result] = ask(server, provider)

    assert result.usage is not None
    assert (result.usage.input, result.usage.output) == (INPUT_TOKENS, OUTPUT_TOKENS)
    assert result.time_per_output_token_seconds is not None


def test_as_ollama_it_counts_nothing_and_there_is_no_speed(server: Server) -> None:
    [result] = ask(server, "ollama")

    assert result.usage is not None
    assert result.usage.output == 0
    assert result.time_per_output_token_seconds is None


@every_dialect
@pytest.mark.parametrize(
    ("rate", "reason", "status"),
    [
        ("dropRate", FailureReason.SERVER_ERROR, 500),
        ("malformedRate", FailureReason.PROTOCOL, 200),
        ("disconnectRate", FailureReason.CONNECT, None),
        ("rateLimitRate", FailureReason.RATE_LIMITED, 429),
    ],
)
def test_its_chaos_has_reasons(
    provider: str, rate: str, reason: FailureReason, status: int | None, server: Server
) -> None:
    with chaos(server, rate):
        [result] = ask(server, provider)

    assert result.failure is not None
    assert (result.reason, result.failure.status) == (reason, status)
