"""Google's own SDK accepts the simulator as Gemini, and agrees with our probe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from google import genai
from google.genai import errors, types

from exporter.result import FailureReason, Usage
from exporter.simulator import Error, ErrorKind, Script, Simulator, faults
from exporter.simulator.faults import ErrorMidStream, ErrorResponse, ErrorWithStatusOk, Fault
from tests.contract.probing import probed
from tests.limits import limits_for
from tests.waiting import timed

KEY = "AIza-simulated"
NONCE_TOKENS = 1
"""The probe puts a nonce in front of its prompt. The SDK's request has none."""
INCLUDE_THOUGHTS = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}


@dataclass(frozen=True)
class Told:
    """How the SDK interpreted a stream."""

    answer: str
    reasoning: str
    finish_reason: str | None
    blocked: str | None
    model: str | None
    response_id: str | None
    usage: Usage | None


async def ask(
    simulator: Simulator, *, thinking: bool = False, api_version: str | None = None, key: str = KEY
) -> Told:
    config = types.GenerateContentConfig(
        max_output_tokens=64,
        thinking_config=types.ThinkingConfig(include_thoughts=True) if thinking else None,
    )
    async with httpx.AsyncClient() as http:  # the SDK's default, aiohttp, warns
        options = types.HttpOptions(
            base_url=simulator.url, api_version=api_version, httpx_async_client=http
        )
        client = genai.Client(api_key=key, http_options=options)
        stream = await client.aio.models.generate_content_stream(
            model="m", contents="Count from 1 to 20.", config=config
        )
        chunks = [chunk async for chunk in stream]
    return _told(chunks)


def _told(chunks: list[types.GenerateContentResponse]) -> Told:
    candidates = [candidate for chunk in chunks for candidate in chunk.candidates or ()]
    parts = [
        part
        for candidate in candidates
        if candidate.content
        for part in candidate.content.parts or ()
    ]
    feedback, finish = (
        chunks[-1].prompt_feedback,
        candidates[-1].finish_reason if candidates else None,
    )
    return Told(
        answer="".join(part.text or "" for part in parts if not part.thought),
        reasoning="".join(part.text or "" for part in parts if part.thought),
        finish_reason=finish.value if finish else None,
        blocked=feedback.block_reason.value if feedback and feedback.block_reason else None,
        model=chunks[-1].model_version,
        response_id=chunks[-1].response_id,
        usage=_usage(chunks[-1].usage_metadata),
    )


def _usage(counts: types.GenerateContentResponseUsageMetadata | None) -> Usage | None:
    """Normalize by Google's rule: the prompt includes cached tokens, the candidates exclude
    thoughts, and the total is the sum."""
    if counts is None:
        return None
    prompt, thoughts = counts.prompt_token_count or 0, counts.thoughts_token_count or 0
    output = (counts.candidates_token_count or 0) + thoughts
    assert counts.total_token_count == prompt + output
    return Usage(
        input=prompt,
        output=output,
        cached_input=counts.cached_content_token_count or 0,
        reasoning=thoughts,
    )


def with_nonce(usage: Usage | None) -> Usage | None:
    return replace(usage, input=usage.input + NONCE_TOKENS) if usage else None


QUICK = Script(first_token_seconds=0.01, token_gap_seconds=0.001)


@pytest.mark.parametrize(
    "script",
    [
        Script(),
        replace(
            QUICK,
            cached_input_tokens=3,
            tokens_per_chunk=(1, 8, 3),
            served_model="m-001",
            split_characters=True,
            answer="Eins, zwei, drei … zwölf! 🎉",
        ),
        replace(QUICK, reasoning_tokens=5, show_reasoning=False),
        replace(QUICK, answer_tokens=100),
        replace(QUICK, events_per_write=4, preamble=2),
        replace(QUICK, opening_event=False),
        replace(QUICK, reports_usage=False),
    ],
    ids=["plain", "split", "hidden-thought", "cut", "gathered", "no-opening", "no-usage"],
)
async def test_the_sdk_and_our_probe_agree(script: Script) -> None:
    async with Simulator({"m": script}) as simulator:
        told = await ask(simulator)
        result = await probed("gemini", simulator.url)
        served = simulator.ledger[-1]
    assert result.failure is None
    assert result.answer == told.answer
    assert result.finish_reason == told.finish_reason
    assert result.served_model == told.model == (script.served_model or "m")
    assert (told.response_id, result.request_id) == ("response-1", "response-2")
    assert result.usage == served.usage == with_nonce(told.usage)


async def test_the_sdk_and_our_probe_agree_on_thoughts() -> None:
    script = replace(QUICK, reasoning_tokens=5, tokens_per_chunk=(2,))
    async with Simulator({"m": script}) as simulator:
        told = await ask(simulator, thinking=True)
        result = await probed("gemini", simulator.url, extra_body=INCLUDE_THOUGHTS)
    assert result.reasoning == told.reasoning == "Let me see how this"
    assert result.answer == told.answer == script.answer
    assert result.usage == with_nonce(told.usage)
    assert result.usage is not None
    assert result.usage.reasoning == 5


@timed
async def test_thoughts_are_silent_unless_they_are_asked_for() -> None:
    script = Script(first_token_seconds=0.02, token_gap_seconds=0.02, reasoning_tokens=5)
    async with Simulator({"m": script}) as simulator:
        result = await probed("gemini", simulator.url)
    assert result.reasoning == ""
    assert result.time_to_first_token_seconds == pytest.approx(0.02 + 5 * 0.02, abs=0.03)
    assert result.time_per_output_token_seconds == pytest.approx(0.02, rel=0.15)


@timed
async def test_times_are_those_of_the_script_whatever_the_chunks_hold() -> None:
    script = Script(
        first_token_seconds=0.15,
        token_gap_seconds=0.02,
        ending_seconds=0.05,
        tokens_per_chunk=(1, 4, 8),
    )
    async with Simulator({"m": script}) as simulator:
        result = await probed("gemini", simulator.url)
    assert result.time_to_first_token_seconds == pytest.approx(0.15, abs=0.03)
    assert result.time_per_output_token_seconds == pytest.approx(0.02, rel=0.1)
    assert result.request_duration_seconds == pytest.approx(0.15 + 19 * 0.02 + 0.05, abs=0.06)


@pytest.mark.parametrize("api_version", [None, "v1beta"])
async def test_the_probe_asks_on_the_same_path_as_the_sdk(api_version: str | None) -> None:
    async with Simulator({"m": QUICK}) as simulator:
        await ask(simulator, api_version=api_version)
        await probed("gemini", simulator.url, api_version=api_version)
        theirs, ours = simulator.ledger
    version = api_version or "v1"
    assert ours.path == theirs.path == f"/{version}/models/m:streamGenerateContent"


ERRORS = [
    (ErrorKind.BAD_REQUEST, "INVALID_ARGUMENT", FailureReason.BAD_REQUEST),
    (ErrorKind.INVALID_KEY, "INVALID_ARGUMENT", FailureReason.AUTH),
    (ErrorKind.FORBIDDEN, "PERMISSION_DENIED", FailureReason.AUTH),
    (ErrorKind.MODEL_NOT_FOUND, "NOT_FOUND", FailureReason.NOT_FOUND),
    (ErrorKind.RATE_LIMITED, "RESOURCE_EXHAUSTED", FailureReason.RATE_LIMITED),
    (ErrorKind.QUOTA, "RESOURCE_EXHAUSTED", FailureReason.QUOTA),
    (ErrorKind.SERVER_ERROR, "INTERNAL", FailureReason.SERVER_ERROR),
    (ErrorKind.OVERLOADED, "UNAVAILABLE", FailureReason.OVERLOADED),
    (ErrorKind.NOT_READY, "UNAVAILABLE", FailureReason.OVERLOADED),  # no separate status
]


@pytest.mark.parametrize("fault", [ErrorResponse, ErrorWithStatusOk, ErrorMidStream])
@pytest.mark.parametrize(("kind", "word", "reason"), ERRORS)
async def test_an_error_is_the_same_to_the_sdk_and_to_our_probe(
    kind: ErrorKind, word: str, reason: FailureReason, fault: Callable[[Error], Fault]
) -> None:
    error = Error(kind, "no", retry_after_seconds=7)
    async with Simulator({"m": replace(QUICK, fault=fault(error))}) as simulator:
        with pytest.raises(errors.APIError) as raised:
            await ask(simulator)
        result = await probed("gemini", simulator.url)
    assert (raised.value.status, raised.value.message) == (word, "no")
    assert result.failure is not None
    assert result.failure.reason is reason
    assert result.failure.detail == f"{word}: no"
    assert result.failure.status == raised.value.code
    assert result.retry_after_seconds == 7


@pytest.mark.parametrize("fault", [ErrorResponse, ErrorMidStream])
async def test_a_blocked_prompt_is_no_error_to_the_sdk_but_a_failure_to_us(
    fault: Callable[[Error], Fault],
) -> None:
    script = replace(QUICK, fault=fault(Error(ErrorKind.CONTENT_FILTER, "no")))
    async with Simulator({"m": script}) as simulator:
        told = await ask(simulator)
        result = await probed("gemini", simulator.url)
    assert told.blocked == "PROHIBITED_CONTENT"
    assert result.failure is not None
    assert result.failure.reason is FailureReason.CONTENT_FILTER
    assert result.failure.detail == "the prompt was blocked: PROHIBITED_CONTENT: no"


@pytest.mark.parametrize(
    ("fault", "reason", "finish_reason"),
    [
        (faults.ContentFilter(), FailureReason.CONTENT_FILTER, "SAFETY"),
        (faults.MissingEndMarker(), FailureReason.TRUNCATED, None),
        (faults.EmptyAnswer(), FailureReason.EMPTY, "STOP"),
        (faults.DataAfterEnd(), None, None),
    ],
    ids=repr,
)
async def test_the_sdk_and_our_probe_agree_on_odd_streams(
    fault: Fault, reason: FailureReason | None, finish_reason: str | None
) -> None:
    async with Simulator({"m": replace(QUICK, fault=fault)}) as simulator:
        told = await ask(simulator)
        result = await probed("gemini", simulator.url)
    assert (result.failure and result.failure.reason) == reason
    assert told.finish_reason == finish_reason
    assert result.answer == told.answer


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.Disconnect(after_tokens=2), FailureReason.TRUNCATED),
        (faults.Disconnect(after_tokens=2, reset=False), FailureReason.TRUNCATED),
        (faults.Garbage(), FailureReason.PROTOCOL),
        (faults.Hang(), FailureReason.TIMEOUT_FIRST_TOKEN),
        (faults.Stall(after_tokens=2), FailureReason.TIMEOUT_STALL),
        (faults.RawResponse(502, b"<h1>Bad Gateway</h1>"), FailureReason.SERVER_ERROR),
    ],
    ids=repr,
)
async def test_our_probe_names_each_fault(fault: Fault, reason: FailureReason) -> None:
    async with Simulator({"m": replace(QUICK, fault=fault)}) as simulator:
        result = await probed("gemini", simulator.url, timeouts=limits_for(reason))
    assert result.failure is not None
    assert result.failure.reason is reason


async def test_the_key_opens_the_door(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    async with Simulator({"m": QUICK}, api_key=KEY) as simulator:
        assert (await ask(simulator)).finish_reason == "STOP"
        with pytest.raises(errors.ClientError, match="API_KEY_INVALID"):
            await ask(simulator, key="wrong")
        with_key = await probed("gemini", simulator.url, key_file=tmp_path / "key")
        without = await probed("gemini", simulator.url)
    assert with_key.failure is None
    assert without.failure is not None
    assert without.failure.reason is FailureReason.AUTH


async def test_vertex_ai_is_a_base_url_and_an_access_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("Bearer ya29.simulated")
    async with Simulator({"m": QUICK}, api_key="ya29.simulated") as simulator:
        prefix = "/v1beta1/projects/p/locations/global/publishers/google"
        headers = {"Authorization": {"file": str(tmp_path / "token")}}
        result = await probed("gemini", simulator.url + prefix, headers=headers)
        (served,) = simulator.ledger
    assert result.failure is None
    assert served.path == f"{prefix}/models/m:streamGenerateContent"
