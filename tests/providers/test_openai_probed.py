"""How a whole probe interprets each fixture: the outcome that alerts are based on."""

from __future__ import annotations

import pytest

from exporter.result import FailureReason
from tests.contract.probing import probed
from tests.providers.golden import FIXTURES
from tests.wire import LAST_CHUNK, STREAM_HEAD, chunk, wire_server

FAILED = {
    "azure_late_block": FailureReason.CONTENT_FILTER,
    "content_filter": FailureReason.CONTENT_FILTER,
    "cut_inside_an_event": FailureReason.TRUNCATED,
    "deepseek_out_of_resources": FailureReason.OVERLOADED,
    "error_flat": FailureReason.SERVER_ERROR,
    "error_in_a_list": FailureReason.OVERLOADED,
    "error_object": FailureReason.SERVER_ERROR,
    "error_text": FailureReason.SERVER_ERROR,
    "groq_error": FailureReason.SERVER_ERROR,
    "llama_cpp_error": FailureReason.SERVER_ERROR,
    "mistral_error": FailureReason.SERVER_ERROR,
    "openrouter_error": FailureReason.RATE_LIMITED,
    "real-litellm-upstream-died": FailureReason.SERVER_ERROR,
    "refusal": FailureReason.REFUSAL,
    "sglang_abort": FailureReason.SERVER_ERROR,
    "sglang_error": FailureReason.OVERLOADED,
    "tgi_error": FailureReason.SERVER_ERROR,
    "tgi_error_text": FailureReason.OVERLOADED,
    "thought_up_all_tokens": FailureReason.EMPTY,
    "vllm_error_then_end_marker": FailureReason.SERVER_ERROR,
}
"""The fixtures with a failed request despite status 200. All others succeed."""

BODIES = {path.stem: path.read_bytes() for path in sorted((FIXTURES / "openai").glob("*.sse"))}


def test_every_failure_has_its_fixture() -> None:
    assert FAILED.keys() <= BODIES.keys()


@pytest.mark.parametrize("name", BODIES)
async def test_a_stream_succeeds_or_fails_for_its_own_reason(name: str) -> None:
    with wire_server([STREAM_HEAD, chunk(BODIES[name]), LAST_CHUNK]) as server:
        result = await probed("openai", f"{server.url}/v1")
    assert (result.failure and result.failure.reason) is FAILED.get(name), result.failure
