"""OpenAI's own SDK reads the simulated Responses API, and agrees with our probe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent

from exporter.result import FailureReason, ProbeResult, Usage
from exporter.simulator import Error, ErrorKind, Script, Simulator, faults
from tests.contract.probing import probed
from tests.waiting import timed

KEY = "sk-simulated"
NONCE_TOKENS = 1
"""The probe puts a nonce in front of its prompt. The SDK's request has none."""
ENDS = ("response.completed", "response.incomplete", "response.failed")
SUMMARISED: dict[str, Any] = {"reasoning": {"summary": "auto"}}


def quick(**fields: Any) -> Script:
    return Script(**{"first_token_seconds": 0.01, "token_gap_seconds": 0.001, **fields})


async def stream(
    simulator: Simulator, key: str = KEY, **options: Any
) -> AsyncIterator[ResponseStreamEvent]:
    """Yield the events that the SDK reads for one question."""
    url = f"{simulator.url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
        events: AsyncIterator[ResponseStreamEvent] = await client.responses.create(
            model="m",
            input="Count from 1 to 20.",
            max_output_tokens=64,
            stream=True,
            **options,
        )
        async for event in events:
            yield event


async def probe(simulator: Simulator, **options: Any) -> ProbeResult:
    return await probed("openai_responses", f"{simulator.url}/v1", **options)


def said(events: list[ResponseStreamEvent], *kinds: str) -> str:
    """Return the texts of these kinds of deltas."""
    deltas = [event for event in events if event.type in [f"response.{kind}" for kind in kinds]]
    return "".join(str(getattr(event, "delta", "")) for event in deltas)


def end(events: list[ResponseStreamEvent]) -> Response:
    """Return the response in the last event."""
    assert events[-1].type in ENDS
    response: Response = getattr(events[-1], "response")  # noqa: B009  mypy sees a union
    return response


def usage(response: Response) -> Usage:
    counts = response.usage
    assert counts is not None
    return Usage(
        input=counts.input_tokens + NONCE_TOKENS,
        output=counts.output_tokens,
        cached_input=counts.input_tokens_details.cached_tokens,
        cache_write=counts.input_tokens_details.cache_write_tokens,
        reasoning=counts.output_tokens_details.reasoning_tokens,
    )


@pytest.mark.parametrize(
    "script",
    [
        quick(),
        quick(answer="Eins, zwei … 🎉", split_characters=True, served_model="m-2026-09-01"),
        quick(reasoning_tokens=5),
        quick(reasoning_tokens=5, show_reasoning=False, cached_input_tokens=3),
        quick(answer_tokens=60, tokens_per_chunk=(1, 8, 3)),
        quick(preamble=2, events_per_write=50),
        quick(answer_tokens=100),
    ],
    ids=["plain", "split", "thought", "hidden-thought", "gathered", "one-write", "cut"],
)
@pytest.mark.parametrize("options", [{}, SUMMARISED], ids=["as-it-is", "summarised"])
async def test_the_sdk_and_our_probe_agree(script: Script, options: dict[str, Any]) -> None:
    async with Simulator({"m": script}) as simulator:
        events = [event async for event in stream(simulator, **options)]
        result = await probe(simulator, extra_body=options)
        served = simulator.ledger[-1]
    response = end(events)
    assert result.failure is None
    assert result.answer == response.output_text == said(events, "output_text.delta")
    assert result.reasoning == said(events, "reasoning_text.delta", "reasoning_summary_text.delta")
    details = response.incomplete_details
    assert result.finish_reason == (details.reason if details else response.status)
    assert result.served_model == response.model
    assert result.usage == usage(response) == served.usage


async def test_a_summary_comes_in_the_words_for_summaries() -> None:
    async with Simulator({"m": quick(reasoning_tokens=3)}) as simulator:
        plain = [event async for event in stream(simulator)]
        summarised = [event async for event in stream(simulator, **SUMMARISED)]
    assert said(plain, "reasoning_text.delta") == "Let me see"
    assert said(summarised, "reasoning_summary_text.delta") == "Let me see"
    assert not said(plain, "reasoning_summary_text.delta")
    assert [item.type for item in end(summarised).output] == ["reasoning", "message"]


async def test_events_are_numbered_and_padded_unless_asked_otherwise() -> None:
    bare: dict[str, Any] = {"stream_options": {"include_obfuscation": False}}
    async with Simulator({"m": quick()}) as simulator:
        padded = [event async for event in stream(simulator)]
        plain = [event async for event in stream(simulator, **bare)]
    assert [event.sequence_number for event in padded] == list(range(len(padded)))
    assert any(hasattr(event, "obfuscation") for event in padded)
    assert not any(hasattr(event, "obfuscation") for event in plain)


async def test_the_sdk_and_our_probe_read_a_refusal() -> None:
    async with Simulator({"m": quick(fault=faults.Refusal())}) as simulator:
        events = [event async for event in stream(simulator)]
        result = await probe(simulator)
    assert result.failure is not None
    assert result.failure.reason is FailureReason.REFUSAL
    assert said(events, "refusal.delta") in result.failure.detail


async def test_the_sdk_and_our_probe_read_a_filtered_answer() -> None:
    async with Simulator({"m": quick(fault=faults.ContentFilter())}) as simulator:
        events = [event async for event in stream(simulator)]
        result = await probe(simulator)
    details = end(events).incomplete_details
    assert details is not None
    assert details.reason == result.finish_reason == "content_filter"
    assert result.failure is not None
    assert result.failure.reason is FailureReason.CONTENT_FILTER


ERRORS: list[tuple[ErrorKind, type[openai.APIStatusError], FailureReason]] = [
    (ErrorKind.BAD_REQUEST, openai.BadRequestError, FailureReason.BAD_REQUEST),
    (ErrorKind.CONTENT_FILTER, openai.BadRequestError, FailureReason.CONTENT_FILTER),
    (ErrorKind.INVALID_KEY, openai.AuthenticationError, FailureReason.AUTH),
    (ErrorKind.FORBIDDEN, openai.PermissionDeniedError, FailureReason.AUTH),
    (ErrorKind.MODEL_NOT_FOUND, openai.NotFoundError, FailureReason.NOT_FOUND),
    (ErrorKind.RATE_LIMITED, openai.RateLimitError, FailureReason.RATE_LIMITED),
    (ErrorKind.QUOTA, openai.RateLimitError, FailureReason.QUOTA),
    (ErrorKind.SERVER_ERROR, openai.InternalServerError, FailureReason.SERVER_ERROR),
    (ErrorKind.OVERLOADED, openai.InternalServerError, FailureReason.OVERLOADED),
]


@pytest.mark.parametrize(("kind", "raised", "reason"), ERRORS)
async def test_an_error_before_the_stream_is_the_one_that_the_sdk_raises(
    kind: ErrorKind, raised: type[openai.APIStatusError], reason: FailureReason
) -> None:
    fault = faults.ErrorResponse(Error(kind, "No.", retry_after_seconds=7))
    async with Simulator({"m": quick(fault=fault)}) as simulator:
        with pytest.raises(raised) as caught:
            await anext(stream(simulator))
        result = await probe(simulator)
    assert result.failure is not None
    assert result.failure.reason is reason
    assert result.failure.detail == f"{caught.value.code or caught.value.type}: No."
    assert result.status == caught.value.status_code
    assert result.retry_after_seconds == 7
    assert (caught.value.request_id, result.request_id) == ("req_1", "req_2")


@pytest.mark.parametrize(("kind", "reason"), [(kind, reason) for kind, _, reason in ERRORS])
async def test_an_error_within_the_stream_is_the_one_that_the_sdk_tells(
    kind: ErrorKind, reason: FailureReason
) -> None:
    fault = faults.ErrorMidStream(Error(kind, "No."), after_tokens=3)
    async with Simulator({"m": quick(fault=fault)}) as simulator:
        theirs, message = await _failing(stream(simulator))
        result = await probe(simulator)
    assert message == "No."
    assert result.failure is not None
    assert result.failure.reason is reason
    assert result.failure.detail.endswith("No.")
    assert (result.status, result.answer) == (200, said(theirs, "output_text.delta"))


async def _failing(
    events: AsyncIterator[ResponseStreamEvent],
) -> tuple[list[ResponseStreamEvent], str | None]:
    """Return the events up to an error, and its message. The SDK raises only one of the three
    formats."""
    before: list[ResponseStreamEvent] = []
    try:
        async for event in events:
            if event.type == "error":
                return before, event.message
            if event.type == "response.failed":
                error = event.response.error
                return before, error.message if error else None
            before.append(event)
    except openai.APIError as raised:
        return before, raised.message
    return before, None


async def test_the_sdk_and_our_probe_are_told_of_a_wrong_key_and_of_an_unknown_model(
    tmp_path: Path,
) -> None:
    (tmp_path / "key").write_text(KEY)
    async with Simulator({"n": quick()}, api_key=KEY) as simulator:
        with pytest.raises(openai.AuthenticationError):
            await anext(stream(simulator, key="wrong"))
        with pytest.raises(openai.NotFoundError) as caught:
            await anext(stream(simulator))
        lost = await probe(simulator, key_file=tmp_path / "key")
        found = await probe(simulator, key_file=tmp_path / "key", model="n")
    assert caught.value.code == "model_not_found"
    assert lost.failure is not None
    assert lost.failure.reason is FailureReason.NOT_FOUND
    assert found.success


@timed
async def test_thought_is_the_first_token_and_not_the_first_answer_token() -> None:
    script = Script(
        first_token_seconds=0.15,
        token_gap_seconds=0.02,
        tokens_per_chunk=(1, 4, 8),
        reasoning_tokens=5,
        preamble=2,
    )
    async with Simulator({"m": script}) as simulator:
        result = await probe(simulator)
    assert result.time_to_first_token_seconds == pytest.approx(0.15, abs=0.03)
    assert result.time_to_first_answer_token_seconds == pytest.approx(0.15 + 12 * 0.02, abs=0.03)
    assert result.time_per_output_token_seconds == pytest.approx(0.02, rel=0.1)
