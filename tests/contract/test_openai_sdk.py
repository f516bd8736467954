"""OpenAI's own SDK accepts the simulator as OpenAI, and agrees with our probe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from exporter.result import FailureReason, Usage
from exporter.simulator import Error, ErrorKind, Script, Simulator, faults
from tests.contract.probing import probed

KEY = "sk-simulated"
OVERLOADED = Error(ErrorKind.OVERLOADED)
NONCE_TOKENS = 1
"""The probe puts a nonce in front of its prompt. The SDK's request has none."""


async def stream(simulator: Simulator, key: str = KEY) -> AsyncIterator[ChatCompletionChunk]:
    """Yield the chunks that the SDK reads for one question."""
    url = f"{simulator.url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
        chunks = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "Count from 1 to 20."}],
            max_completion_tokens=64,
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in chunks:
            yield chunk


async def test_the_sdk_reads_text_finish_reason_model_and_usage() -> None:
    script = Script(
        first_token_seconds=0.02,
        token_gap_seconds=0.001,
        reasoning_tokens=5,
        show_reasoning=False,
        cached_input_tokens=3,
        tokens_per_chunk=(1, 8, 3),
        served_model="m-2026-09-01",
        preamble=2,
        split_characters=True,
        answer="Eins, zwei, drei … zwölf! 🎉",
    )
    async with Simulator({"m": script}, api_key=KEY) as simulator:
        chunks = [chunk async for chunk in stream(simulator)]
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == script.answer
    assert choices[-1].finish_reason == "stop"
    assert {chunk.model for chunk in chunks} == {"m-2026-09-01"}
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (5, 11, 16)
    assert usage.prompt_tokens_details.cached_tokens == 3
    assert usage.completion_tokens_details.reasoning_tokens == 5


async def test_the_sdk_reads_a_refusal() -> None:
    async with Simulator({"m": Script(fault=faults.Refusal())}) as simulator:
        chunks = [chunk async for chunk in stream(simulator)]
    said = "".join(choice.delta.refusal or "" for chunk in chunks for choice in chunk.choices)
    assert said == "I'm sorry, but I can't help with that."


async def test_the_sdk_lists_the_models() -> None:
    async with Simulator({"m": Script(), "n": Script()}) as simulator:
        url = f"{simulator.url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
            models = await client.models.list()
    assert [model.id for model in models.data] == ["m", "n"]


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        (ErrorKind.BAD_REQUEST, openai.BadRequestError),
        (ErrorKind.INVALID_KEY, openai.AuthenticationError),
        (ErrorKind.FORBIDDEN, openai.PermissionDeniedError),
        (ErrorKind.MODEL_NOT_FOUND, openai.NotFoundError),
        (ErrorKind.RATE_LIMITED, openai.RateLimitError),
        (ErrorKind.QUOTA, openai.RateLimitError),
        (ErrorKind.SERVER_ERROR, openai.InternalServerError),
    ],
)
async def test_the_sdk_raises_its_own_error_for_each_error_response(
    kind: ErrorKind, raised: type[openai.APIStatusError]
) -> None:
    script = Script(fault=faults.ErrorResponse(Error(kind, "No.")))
    async with Simulator({"m": script}) as simulator:
        with pytest.raises(raised) as caught:
            await anext(stream(simulator))
    assert caught.value.message.endswith("No.")
    assert caught.value.request_id is not None


async def test_the_sdk_is_told_of_a_wrong_key_and_of_an_unknown_model() -> None:
    async with Simulator({}, api_key=KEY) as simulator:
        with pytest.raises(openai.AuthenticationError):
            await anext(stream(simulator, key="wrong"))
        with pytest.raises(openai.NotFoundError) as caught:
            await anext(stream(simulator))
    assert caught.value.code == "model_not_found"


async def test_the_sdk_raises_in_the_middle_of_a_failing_stream() -> None:
    error = Error(ErrorKind.OVERLOADED, "Too busy.")
    script = Script(fault=faults.ErrorMidStream(error, after_tokens=3))
    async with Simulator({"m": script}) as simulator:
        chunks = stream(simulator)
        said = [(await anext(chunks)).choices[0].delta.content for _ in range(4)]
        with pytest.raises(openai.APIError, match="Too busy"):
            await anext(chunks)
    assert said == ["", "1", " 2", " 3"]


async def test_the_sdk_sees_that_nobody_listens_any_more() -> None:
    async with Simulator({"m": Script()}) as simulator:
        pass
    with pytest.raises(openai.APIConnectionError):
        await anext(stream(simulator))


@pytest.mark.parametrize(
    "script",
    [
        Script(),
        Script(answer="Eins, zwei … 🎉", split_characters=True, served_model="m-2026-09-01"),
        Script(reasoning_tokens=5, show_reasoning=False, cached_input_tokens=3),
        Script(answer_tokens=100, tokens_per_chunk=(1, 8, 3), token_gap_seconds=0.001),
        Script(preamble=2, events_per_write=3),
        Script(opening_event=False),
    ],
    ids=["plain", "split", "hidden-thought", "cut", "gathered", "no-opening"],
)
async def test_the_sdk_and_our_probe_agree(script: Script) -> None:
    async with Simulator({"m": script}) as simulator:
        chunks = [chunk async for chunk in stream(simulator)]
        result = await probed("openai", f"{simulator.url}/v1")
        served = simulator.ledger[-1]
    choices = [choice for chunk in chunks for choice in chunk.choices]
    usage = chunks[-1].usage
    assert result.failure is None
    assert result.answer == "".join(choice.delta.content or "" for choice in choices)
    assert result.finish_reason == choices[-1].finish_reason
    assert result.served_model == chunks[-1].model
    assert result.usage == served.usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    assert result.usage == Usage(
        input=usage.prompt_tokens + NONCE_TOKENS,
        output=usage.completion_tokens,
        cached_input=usage.prompt_tokens_details.cached_tokens or 0,
        cache_write=usage.prompt_tokens_details.cache_write_tokens or 0,
        reasoning=usage.completion_tokens_details.reasoning_tokens or 0,
    )


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.ErrorResponse(Error(ErrorKind.BAD_REQUEST)), FailureReason.BAD_REQUEST),
        (faults.ErrorResponse(Error(ErrorKind.CONTENT_FILTER)), FailureReason.CONTENT_FILTER),
        (faults.ErrorResponse(Error(ErrorKind.INVALID_KEY)), FailureReason.AUTH),
        (faults.ErrorResponse(Error(ErrorKind.FORBIDDEN)), FailureReason.AUTH),
        (faults.ErrorResponse(Error(ErrorKind.MODEL_NOT_FOUND)), FailureReason.NOT_FOUND),
        (faults.ErrorResponse(Error(ErrorKind.RATE_LIMITED)), FailureReason.RATE_LIMITED),
        (faults.ErrorResponse(Error(ErrorKind.QUOTA)), FailureReason.QUOTA),
        (faults.ErrorResponse(Error(ErrorKind.SERVER_ERROR)), FailureReason.SERVER_ERROR),
        (faults.ErrorResponse(OVERLOADED), FailureReason.OVERLOADED),
        (faults.Refusal(), FailureReason.REFUSAL),
        (faults.ContentFilter(), FailureReason.CONTENT_FILTER),
    ],
    ids=repr,
)
async def test_our_probe_names_each_error_and_each_refusal(
    fault: faults.Fault, reason: FailureReason
) -> None:
    script = Script(first_token_seconds=0.01, token_gap_seconds=0.001, fault=fault)
    async with Simulator({"m": script}) as simulator:
        result = await probed("openai", f"{simulator.url}/v1")
    assert (result.failure and result.failure.reason) == reason


async def test_our_probes_key_opens_the_door(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    async with Simulator({"m": Script()}, api_key=KEY) as simulator:
        result = await probed("openai", f"{simulator.url}/v1", key_file=tmp_path / "key")
    assert result.failure is None
