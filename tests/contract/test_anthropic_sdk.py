"""Anthropic's own SDK accepts the simulator as Anthropic, and agrees with our probe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import pytest

from exporter.result import FailureReason, RateLimit, Usage
from exporter.simulator import Error, ErrorKind, Script, Simulator, faults
from tests.contract.probing import probed
from tests.providers.golden import fixture
from tests.waiting import timed
from tests.wire import LAST_CHUNK, STREAM_HEAD, chunk, wire_server

KEY = "sk-ant-simulated"
PROMPT = "Count from 1 to 20."
NONCE_TOKENS = 1
"""The probe puts a nonce in front of its prompt. The SDK's request has none."""
FAST: dict[str, Any] = {"first_token_seconds": 0.01, "token_gap_seconds": 0.001}


@dataclass(frozen=True)
class Told:
    """How the SDK interpreted a stream."""

    answer: str
    thinking: str
    stop_reason: str | None
    model: str
    usage: Usage
    request_id: str | None


async def ask(url: str, key: str = KEY, **options: Any) -> Told:
    async with (
        anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0) as client,
        client.messages.stream(
            model="m",
            max_tokens=64,
            messages=[{"role": "user", "content": PROMPT}],
            **options,
        ) as stream,
    ):
        message = await stream.get_final_message()
        request_id = stream.request_id
    return Told(
        answer="".join(block.text for block in message.content if block.type == "text"),
        thinking="".join(block.thinking for block in message.content if block.type == "thinking"),
        stop_reason=message.stop_reason,
        model=message.model,
        usage=_usage(message.usage),
        request_id=request_id,
    )


def _usage(counts: anthropic.types.Usage) -> Usage:
    """Normalize by the rule of Anthropic's reference: the input excludes cached tokens."""
    read, written = counts.cache_read_input_tokens, counts.cache_creation_input_tokens
    details = counts.output_tokens_details
    return Usage(
        input=counts.input_tokens + (read or 0) + (written or 0),
        output=counts.output_tokens,
        cached_input=read or 0,
        cache_write=written or 0,
        reasoning=details.thinking_tokens if details else 0,
    )


@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
@pytest.mark.parametrize(
    "script",
    [
        Script(**FAST),
        Script(**FAST, answer="Eins, zwei … 🎉", split_characters=True, served_model="m-2026-09"),
        Script(**FAST, reasoning_tokens=5, cached_input_tokens=3),
        Script(**FAST, reasoning_tokens=5, show_reasoning=False),
        Script(**FAST, answer_tokens=100, tokens_per_chunk=(1, 8, 3)),
        Script(**FAST, preamble=2, events_per_write=50),
    ],
    ids=["plain", "split", "thinking", "omitted-thinking", "cut", "one-write"],
)
async def test_the_sdk_and_our_probe_agree(script: Script, version: str) -> None:
    async with Simulator({"m": script}) as simulator:
        told = await ask(simulator.url, extra_headers={"anthropic-version": version})
        result = await probed("anthropic", simulator.url, api_version=version)
        theirs, ours = simulator.ledger
    assert result.failure is None
    assert result.answer == told.answer
    assert result.reasoning == told.thinking
    assert result.finish_reason == told.stop_reason
    assert result.served_model == told.model == (script.served_model or "m")
    assert told.usage == theirs.usage
    assert result.usage == ours.usage
    assert ours.usage is not None
    assert theirs.usage is not None
    assert ours.usage.input == theirs.usage.input + NONCE_TOKENS
    assert (told.request_id, result.request_id) == ("req_1", "req_2")


async def test_the_placeholder_alone_is_no_usage() -> None:
    async with Simulator({"m": Script(**FAST, reports_usage=False)}) as simulator:
        result = await probed("anthropic", simulator.url)
    assert result.failure is None
    assert result.usage is None


ERRORS = [
    (ErrorKind.BAD_REQUEST, 400, anthropic.BadRequestError, FailureReason.BAD_REQUEST),
    (ErrorKind.CONTENT_FILTER, 400, anthropic.BadRequestError, FailureReason.CONTENT_FILTER),
    (ErrorKind.INVALID_KEY, 401, anthropic.AuthenticationError, FailureReason.AUTH),
    (ErrorKind.QUOTA, 402, anthropic.APIStatusError, FailureReason.QUOTA),
    (ErrorKind.FORBIDDEN, 403, anthropic.PermissionDeniedError, FailureReason.AUTH),
    (ErrorKind.MODEL_NOT_FOUND, 404, anthropic.NotFoundError, FailureReason.NOT_FOUND),
    (ErrorKind.RATE_LIMITED, 429, anthropic.RateLimitError, FailureReason.RATE_LIMITED),
    (ErrorKind.SERVER_ERROR, 500, anthropic.InternalServerError, FailureReason.SERVER_ERROR),
    (ErrorKind.OVERLOADED, 529, anthropic.InternalServerError, FailureReason.OVERLOADED),
]


@pytest.mark.parametrize(("kind", "status", "raised", "reason"), ERRORS)
async def test_an_error_before_the_stream_is_what_the_sdk_raises(
    kind: ErrorKind,
    status: int,
    raised: type[anthropic.APIStatusError],
    reason: FailureReason,
) -> None:
    fault = faults.ErrorResponse(Error(kind, "No.", retry_after_seconds=7))
    async with Simulator({"m": Script(fault=fault)}) as simulator:
        with pytest.raises(raised) as caught:
            await ask(simulator.url)
        result = await probed("anthropic", simulator.url)
    assert result.failure is not None
    assert result.failure.reason is reason
    assert result.status == caught.value.status_code == status
    assert result.failure.detail == f"{caught.value.type}: {_message(caught.value)}"
    assert result.retry_after_seconds == 7
    assert (caught.value.request_id, result.request_id) == ("req_1", "req_2")


@pytest.mark.parametrize(("kind", "status", "raised", "reason"), ERRORS)
async def test_an_error_within_the_stream_is_what_the_sdk_raises(
    kind: ErrorKind,
    status: int,
    raised: type[anthropic.APIStatusError],
    reason: FailureReason,
) -> None:
    fault = faults.ErrorMidStream(Error(kind, "No."), after_tokens=3)
    async with Simulator({"m": Script(**FAST, fault=fault)}) as simulator:
        with pytest.raises(anthropic.APIStatusError) as caught:
            await ask(simulator.url)
        result = await probed("anthropic", simulator.url)
    assert result.failure is not None
    assert result.failure.reason is reason
    assert result.status == caught.value.status_code == 200
    assert result.failure.detail == f"{caught.value.type}: {_message(caught.value)}"
    assert result.answer == "1 2 3"


def _message(error: anthropic.APIStatusError) -> str:
    assert isinstance(error.body, dict)
    return str(error.body["error"]["message"])


async def test_both_headers_open_the_door_and_a_wrong_key_does_not(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    async with Simulator({"m": Script(**FAST)}, api_key=KEY) as simulator:
        assert (await ask(simulator.url)).stop_reason == "end_turn"
        with pytest.raises(anthropic.AuthenticationError):
            await ask(simulator.url, key="wrong")
        for version in ("2023-06-01", "2026-10-21"):
            result = await probed(
                "anthropic", simulator.url, key_file=tmp_path / "key", api_version=version
            )
            assert result.failure is None
        result = await probed("anthropic", simulator.url)
    assert result.failure is not None
    assert result.failure.reason is FailureReason.AUTH


@pytest.mark.parametrize("parameter", ["temperature", "top_p", "top_k"])
async def test_sampling_parameters_went_with_the_new_version(parameter: str) -> None:
    async with Simulator({"m": Script(**FAST)}) as simulator:
        with pytest.raises(anthropic.BadRequestError, match=parameter):
            await ask(simulator.url, extra_body={parameter: 1})
        old = {"anthropic-version": "2023-06-01"}
        told = await ask(simulator.url, extra_body={parameter: 1}, extra_headers=old)
        refused = await probed("anthropic", simulator.url, extra_body={parameter: 1})
    assert told.stop_reason == "end_turn"
    assert refused.failure is not None
    assert refused.failure.reason is FailureReason.BAD_REQUEST
    assert parameter in refused.failure.detail


async def test_an_unknown_version_or_model_is_refused() -> None:
    async with Simulator({"m": Script(**FAST)}) as simulator:
        with pytest.raises(anthropic.BadRequestError, match="anthropic-version"):
            await ask(simulator.url, extra_headers={"anthropic-version": "2020-01-01"})
        simulator.scripts.clear()
        with pytest.raises(anthropic.NotFoundError):
            await ask(simulator.url)


async def test_rate_limits_are_read_from_the_headers() -> None:
    limits = (RateLimit("requests", 1000, 998), RateLimit("tokens", 80_000, 79_000))
    async with Simulator({"m": Script(**FAST, rate_limits=limits)}) as simulator:
        async with anthropic.AsyncAnthropic(base_url=simulator.url, api_key=KEY) as client:
            response = await client.messages.with_raw_response.create(
                model="m",
                max_tokens=64,
                messages=[{"role": "user", "content": PROMPT}],
                stream=True,
            )
            await (await response.parse()).close()
        result = await probed("anthropic", simulator.url)
    assert result.rate_limits == limits
    assert response.headers["anthropic-ratelimit-tokens-remaining"] == "79000"
    reset = response.headers["anthropic-ratelimit-requests-reset"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", reset)


async def test_events_without_names_are_no_answer_to_the_sdk_nor_to_our_probe() -> None:
    body = fixture("anthropic", "without_event_names")
    with wire_server([STREAM_HEAD, chunk(body), LAST_CHUNK]) as server:
        async with anthropic.AsyncAnthropic(base_url=server.url, api_key=KEY) as client:
            stream = await client.messages.create(
                model="m",
                max_tokens=64,
                messages=[{"role": "user", "content": PROMPT}],
                stream=True,
            )
            events = [event async for event in stream]
        result = await probed("anthropic", server.url)
    assert events == []
    assert result.failure is not None
    assert result.failure.reason is FailureReason.PROTOCOL
    assert result.answer == ""


@timed
async def test_hidden_thought_passes_before_the_first_token() -> None:
    script = Script(
        first_token_seconds=0.1,
        token_gap_seconds=0.02,
        reasoning_tokens=5,
        show_reasoning=False,
        tokens_per_chunk=(1, 4, 8),
    )
    async with Simulator({"m": script}) as simulator:
        result = await probed("anthropic", simulator.url)
    assert result.time_to_first_token_seconds == pytest.approx(0.1 + 5 * 0.02, abs=0.04)
    assert result.time_per_output_token_seconds == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("fault", [faults.Refusal(), faults.ContentFilter()], ids=repr)
async def test_every_refusal_has_the_word_that_the_sdk_reads(fault: faults.Fault) -> None:
    async with Simulator({"m": Script(**FAST, fault=fault)}) as simulator:
        told = await ask(simulator.url)
        result = await probed("anthropic", simulator.url)
    assert told.stop_reason == result.finish_reason == "refusal"
    assert result.failure is not None
    assert result.failure.reason is FailureReason.REFUSAL
    assert result.answer == told.answer
