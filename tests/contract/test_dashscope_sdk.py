"""Alibaba's own SDK accepts the simulator as Model Studio, and agrees with our probe."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dashscope
import pytest
from dashscope.api_entities.http_request import close_shared_sync_session

from exporter.result import FailureReason, ProbeResult, Usage
from exporter.simulator import Error, ErrorKind, Script, Simulator, faults, run_in_thread
from tests.contract.probing import probed
from tests.waiting import timed

GENERATE: Any = dashscope.Generation.call
"""Untyped, because the SDK's annotations allow neither plain messages nor the result of
``stream``."""

KEY = "sk-simulated"
NONCE_TOKENS = 1
"""The probe puts a nonce in front of its prompt. The SDK's request has none."""
CUMULATIVE = {"parameters": {"incremental_output": False}}


def quick(**fields: Any) -> Script:
    return Script(**{"first_token_seconds": 0.01, "token_gap_seconds": 0.001, **fields})


@contextmanager
def simulator(script: Script, **options: Any) -> Iterator[Simulator]:
    with run_in_thread(Simulator({"m": script}, **options)) as running:
        yield running


@pytest.fixture(autouse=True)
def no_connection_is_left_open() -> Iterator[None]:
    yield
    close_shared_sync_session()


def base_url(running: Simulator) -> str:
    return f"{running.url}/api/v1"


def asked(running: Simulator, key: str = KEY, model: str = "m", **options: Any) -> list[Any]:
    """Return the SDK's responses to one question."""
    return list(
        GENERATE(
            model=model,
            messages=[{"role": "user", "content": "Count from 1 to 20."}],
            api_key=key,
            base_address=base_url(running),
            max_tokens=64,
            stream=True,
            **{"result_format": "message", "incremental_output": True, **options},
        )
    )


async def ask(running: Simulator, **options: Any) -> list[Any]:
    return await asyncio.to_thread(asked, running, **options)


async def probe(running: Simulator, **options: Any) -> ProbeResult:
    return await probed("dashscope", base_url(running), **options)


@dataclass(frozen=True)
class Told:
    """How the SDK interpreted a stream of increments."""

    answer: str
    reasoning: str
    finish_reason: str
    usage: Usage
    request_id: str


def told(responses: list[Any]) -> Told:
    messages = [response.output.choices[0].message for response in responses]
    last = responses[-1]
    return Told(
        answer="".join(message.content for message in messages),
        reasoning="".join(message.reasoning_content for message in messages),
        finish_reason=last.output.choices[0].finish_reason,
        usage=_usage(last.usage),
        request_id=last.request_id,
    )


def _usage(counts: Any) -> Usage:
    return Usage(
        input=counts.input_tokens + NONCE_TOKENS,
        output=counts.output_tokens,
        cached_input=counts.prompt_tokens_details["cached_tokens"],
        reasoning=counts.output_tokens_details["reasoning_tokens"],
    )


@pytest.mark.parametrize(
    "script",
    [
        quick(),
        quick(reasoning_tokens=5),
        quick(reasoning_tokens=5, show_reasoning=False, cached_input_tokens=3),
        quick(answer_tokens=60, tokens_per_chunk=(1, 8, 3)),
        quick(answer="é 世界 🙂", split_characters=True),
        quick(preamble=2, events_per_write=50),
        quick(opening_event=False),
        quick(answer_tokens=100),
    ],
    ids=["plain", "thought", "hidden", "gathered", "split", "one-write", "no-opening", "cut"],
)
async def test_the_sdk_and_our_probe_agree(script: Script) -> None:
    with simulator(script) as running:
        theirs = told(await ask(running))
        result = await probe(running)
        served = running.ledger[-1]
    assert result.failure is None
    assert result.answer == theirs.answer
    assert result.reasoning == theirs.reasoning
    assert result.finish_reason == theirs.finish_reason
    assert result.usage == theirs.usage == served.usage
    assert theirs.request_id.endswith("1")
    assert result.request_id == theirs.request_id[:-1] + "2"
    assert result.served_model is None  # the format has no field for it


@pytest.mark.parametrize("result_format", ["message", "text"])
async def test_cumulative_texts_are_the_same_answer(result_format: str) -> None:
    with simulator(quick(tokens_per_chunk=(1, 4))) as running:
        # Without the option, the SDK requests nothing, and the stream is cumulative.
        last = (await ask(running, incremental_output=None, result_format=result_format))[-1]
        ours = {"parameters": {"incremental_output": False, "result_format": result_format}}
        result = await probe(running, extra_body=ours)
        served = running.ledger[-1]
    output = last.output
    said = output.choices[0].message.content if result_format == "message" else output.text
    assert result.failure is None
    assert result.answer == said
    assert result.usage == served.usage


async def test_cumulative_thought_and_answer_are_told_apart() -> None:
    with simulator(quick(reasoning_tokens=5)) as running:
        last = (await ask(running, incremental_output=None))[-1]
        result = await probe(running, extra_body=CUMULATIVE)
    message = last.output.choices[0].message
    assert (result.reasoning, result.answer) == (message.reasoning_content, message.content)
    assert result.time_to_first_answer_token_seconds != result.time_to_first_token_seconds


ERRORS = [
    (ErrorKind.BAD_REQUEST, "InvalidParameter", FailureReason.BAD_REQUEST),
    (ErrorKind.CONTENT_FILTER, "DataInspectionFailed", FailureReason.CONTENT_FILTER),
    (ErrorKind.INVALID_KEY, "InvalidApiKey", FailureReason.AUTH),
    (ErrorKind.FORBIDDEN, "AccessDenied", FailureReason.AUTH),
    (ErrorKind.MODEL_NOT_FOUND, "ModelNotFound", FailureReason.NOT_FOUND),
    (ErrorKind.RATE_LIMITED, "Throttling.RateQuota", FailureReason.RATE_LIMITED),
    (ErrorKind.QUOTA, "Arrearage", FailureReason.QUOTA),
    (ErrorKind.SERVER_ERROR, "InternalError.Algo", FailureReason.SERVER_ERROR),
    (ErrorKind.OVERLOADED, "ModelServingError", FailureReason.OVERLOADED),
    (ErrorKind.NOT_READY, "ModelUnavailable", FailureReason.NOT_READY),
]


@pytest.mark.parametrize(("kind", "code", "reason"), ERRORS)
async def test_an_error_before_the_stream_is_the_one_that_the_sdk_tells(
    kind: ErrorKind, code: str, reason: FailureReason
) -> None:
    with simulator(quick(fault=faults.ErrorResponse(Error(kind, "No.")))) as running:
        (theirs,) = await ask(running)
        result = await probe(running)
    assert (theirs.code, theirs.message) == (code, "No.")
    assert result.failure is not None
    assert result.failure.reason is reason
    assert result.failure.detail == f"{theirs.code}: {theirs.message}"
    assert result.failure.status == result.status == theirs.status_code
    assert result.request_id == theirs.request_id[:-1] + "2"


@pytest.mark.parametrize(("kind", "code", "reason"), ERRORS)
async def test_an_error_within_the_stream_is_the_one_that_the_sdk_tells(
    kind: ErrorKind, code: str, reason: FailureReason
) -> None:
    fault = faults.ErrorMidStream(Error(kind, "No."), after_tokens=3)
    with simulator(quick(fault=fault)) as running:
        *said, theirs = await ask(running)
        result = await probe(running)
    assert (theirs.code, theirs.message) == (code, "No.")
    assert result.failure is not None
    assert result.failure.reason is reason
    assert result.failure.detail == f"{theirs.code}: {theirs.message}"
    assert (result.status, result.answer) == (200, told(said).answer)


async def test_the_sdk_and_our_probe_are_told_of_a_filtered_answer() -> None:
    with simulator(quick(fault=faults.ContentFilter(after_tokens=2))) as running:
        *_, theirs = await ask(running)
        result = await probe(running)
    assert theirs.code == "DataInspectionFailed"
    assert result.failure is not None
    assert result.failure.reason is FailureReason.CONTENT_FILTER
    assert theirs.message in result.failure.detail


async def test_the_sdk_and_our_probe_are_told_of_a_wrong_key_and_of_an_unknown_model(
    tmp_path: Path,
) -> None:
    (tmp_path / "key").write_text(KEY)
    with simulator(quick(), api_key=KEY) as running:
        wrong, unknown = await ask(running, key="no"), await ask(running, model="n")
        without, with_key = await probe(running), await probe(running, key_file=tmp_path / "key")
        lost = await probe(running, key_file=tmp_path / "key", model="n")
    assert (wrong[0].code, unknown[0].code) == ("InvalidApiKey", "ModelNotFound")
    assert with_key.success
    assert without.failure is not None
    assert without.failure.reason is FailureReason.AUTH
    assert lost.failure is not None
    assert lost.failure.reason is FailureReason.NOT_FOUND


async def test_the_format_does_not_tell_a_refusal_from_an_answer() -> None:
    with simulator(quick(fault=faults.Refusal())) as running:
        theirs = told(await ask(running))
        result = await probe(running)
    assert result.failure is None
    assert result.answer == theirs.answer


async def test_a_request_for_no_stream_is_refused() -> None:
    with simulator(quick()) as running:
        response = await asyncio.to_thread(
            GENERATE,
            model="m",
            prompt="Count.",
            api_key=KEY,
            base_address=base_url(running),
        )
    assert (response.status_code, response.code) == (400, "InvalidParameter")


@timed
async def test_thought_is_the_first_token_and_not_the_first_answer_token() -> None:
    script = Script(
        first_token_seconds=0.15,
        token_gap_seconds=0.02,
        tokens_per_chunk=(1, 4, 8),
        reasoning_tokens=5,
        preamble=2,
    )
    with simulator(script) as running:
        result = await probe(running)
    assert result.time_to_first_token_seconds == pytest.approx(0.15, abs=0.03)
    assert result.time_to_first_answer_token_seconds == pytest.approx(0.15 + 12 * 0.02, abs=0.03)
    assert result.time_per_output_token_seconds == pytest.approx(0.02, rel=0.1)
