"""Ollama's own SDK accepts the simulator as Ollama, and agrees with our probe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import ollama
import pytest

from exporter.result import FailureReason, Usage
from exporter.simulator import Boot, Error, ErrorKind, Script, Sign, Simulator, faults
from exporter.simulator.faults import ErrorMidStream, ErrorResponse, ErrorWithStatusOk, Fault
from tests.contract.probing import probed
from tests.limits import limits_for
from tests.waiting import timed

KEY = "ollama-simulated"
NONCE_TOKENS = 1
"""The probe puts a nonce in front of its prompt. The SDK's request has none."""
QUICK = Script(first_token_seconds=0.01, token_gap_seconds=0.001)


@asynccontextmanager
async def client_of(simulator: Simulator, key: str = KEY) -> AsyncIterator[ollama.AsyncClient]:
    headers = {"authorization": f"Bearer {key}"}
    client = ollama.AsyncClient(host=simulator.url, headers=headers)
    async with client:
        yield client


async def ask(simulator: Simulator, key: str = KEY) -> list[ollama.ChatResponse]:
    """Return the lines that the SDK reads for one question."""
    async with client_of(simulator, key) as client:
        lines = await client.chat(
            model="m",
            messages=[{"role": "user", "content": "Count from 1 to 20."}],
            options={"num_predict": 64},
            stream=True,
        )
        return [line async for line in lines]


@pytest.mark.parametrize(
    "script",
    [
        Script(),
        replace(
            QUICK,
            reasoning_tokens=5,
            tokens_per_chunk=(1, 8, 3),
            served_model="m:4b",
            split_characters=True,
            answer="Eins, zwei, drei … zwölf! 🎉",
        ),
        replace(QUICK, reasoning_tokens=5, show_reasoning=False),
        replace(QUICK, answer_tokens=100),
        replace(QUICK, events_per_write=4, preamble=2),
        replace(QUICK, opening_event=False),
        replace(QUICK, reports_usage=False),
        replace(QUICK, cached_input_tokens=3),
    ],
    ids=["plain", "split", "hidden", "cut", "gathered", "no-opening", "no-usage", "cached"],
)
async def test_the_sdk_and_our_probe_agree(script: Script) -> None:
    async with Simulator({"m": script}) as simulator:
        lines = await ask(simulator)
        result = await probed("ollama", simulator.url)
    last = lines[-1]
    assert result.failure is None
    assert result.answer == "".join(line.message.content or "" for line in lines)
    assert result.reasoning == "".join(line.message.thinking or "" for line in lines)
    assert result.finish_reason == last.done_reason
    assert result.served_model == last.model == (script.served_model or "m")
    assert last.load_duration is not None
    assert result.model_load_seconds == last.load_duration / 1e9
    assert result.usage == _usage(last)


def _usage(last: ollama.ChatResponse) -> Usage | None:
    if last.eval_count is None:
        return None
    return Usage(input=(last.prompt_eval_count or 0) + NONCE_TOKENS, output=last.eval_count)


async def test_what_the_cache_spared_is_not_counted() -> None:
    async with Simulator({"m": replace(QUICK, cached_input_tokens=100)}) as simulator:
        result = await probed("ollama", simulator.url)
    assert result.usage == Usage(input=0, output=20)


@timed
async def test_a_cold_model_shows_in_the_time_to_headers_and_in_its_own_words() -> None:
    boot = Boot(seconds=0.3, idle_seconds=0.5, sign=Sign.HELD)
    async with Simulator({"m": replace(QUICK, boot=boot)}) as simulator:
        await asyncio.sleep(0.9)
        cold = await probed("ollama", simulator.url)
        warm = await probed("ollama", simulator.url)
    assert cold.model_load_seconds == pytest.approx(0.3, abs=0.02)
    assert warm.model_load_seconds == pytest.approx(0.02, abs=0.01)
    assert cold.time_to_first_token_seconds is not None
    assert warm.time_to_first_token_seconds is not None
    penalty = cold.time_to_first_token_seconds - warm.time_to_first_token_seconds
    assert penalty == pytest.approx(cold.model_load_seconds, abs=0.1)
    assert cold.timeline.headers is not None
    assert cold.timeline.sent is not None
    headers_seconds = (cold.timeline.headers - cold.timeline.sent) / 1e9
    assert headers_seconds == pytest.approx(cold.model_load_seconds, abs=0.1)


async def test_the_sdk_lists_the_models_and_which_are_loaded() -> None:
    scripts = {"warm": Script(), "cold": Script(boot=Boot(60.0))}
    async with Simulator(scripts) as simulator, client_of(simulator) as client:
        known = await client.list()
        loaded = await client.ps()
    assert [model.model for model in known.models] == ["warm", "cold"]
    assert [model.model for model in loaded.models] == ["warm"]


@timed
async def test_times_are_those_of_the_script_whatever_the_lines_hold() -> None:
    script = Script(
        first_token_seconds=0.15,
        token_gap_seconds=0.02,
        ending_seconds=0.05,
        tokens_per_chunk=(1, 4, 8),
    )
    async with Simulator({"m": script}) as simulator:
        result = await probed("ollama", simulator.url)
    assert result.time_to_first_token_seconds == pytest.approx(0.15, abs=0.03)
    assert result.time_per_output_token_seconds == pytest.approx(0.02, rel=0.1)
    assert result.request_duration_seconds == pytest.approx(0.15 + 19 * 0.02 + 0.05, abs=0.06)


ERRORS = [
    (ErrorKind.BAD_REQUEST, 400, FailureReason.BAD_REQUEST),
    (ErrorKind.CONTENT_FILTER, 400, FailureReason.BAD_REQUEST),  # no separate error
    (ErrorKind.INVALID_KEY, 401, FailureReason.AUTH),
    (ErrorKind.FORBIDDEN, 403, FailureReason.AUTH),
    (ErrorKind.MODEL_NOT_FOUND, 404, FailureReason.NOT_FOUND),
    (ErrorKind.RATE_LIMITED, 429, FailureReason.RATE_LIMITED),
    (ErrorKind.QUOTA, 429, FailureReason.QUOTA),
    (ErrorKind.SERVER_ERROR, 500, FailureReason.SERVER_ERROR),
    (ErrorKind.OVERLOADED, 503, FailureReason.OVERLOADED),
    (ErrorKind.NOT_READY, 500, FailureReason.NOT_READY),
]


@pytest.mark.parametrize(("kind", "status", "reason"), ERRORS)
async def test_an_error_before_the_stream_is_the_same_to_the_sdk_and_to_our_probe(
    kind: ErrorKind, status: int, reason: FailureReason
) -> None:
    fault = ErrorResponse(Error(kind, "no", retry_after_seconds=7))
    async with Simulator({"m": Script(fault=fault)}) as simulator:
        with pytest.raises(ollama.ResponseError) as raised:
            await ask(simulator)
        result = await probed("ollama", simulator.url)
    assert result.failure is not None
    assert result.failure.reason is reason
    assert result.failure.detail == " ".join(raised.value.error.split())
    assert result.failure.status == raised.value.status_code == status
    assert result.retry_after_seconds == 7


@pytest.mark.parametrize("fault", [ErrorMidStream, ErrorWithStatusOk])
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (ErrorKind.SERVER_ERROR, FailureReason.SERVER_ERROR),
        (ErrorKind.OVERLOADED, FailureReason.OVERLOADED),
        (ErrorKind.QUOTA, FailureReason.QUOTA),
        (ErrorKind.NOT_READY, FailureReason.NOT_READY),
    ],
)
async def test_an_error_within_the_stream_is_the_same_to_the_sdk_and_to_our_probe(
    kind: ErrorKind, reason: FailureReason, fault: Callable[[Error], Fault]
) -> None:
    async with Simulator({"m": replace(QUICK, fault=fault(Error(kind, "no")))}) as simulator:
        with pytest.raises(ollama.ResponseError) as raised:
            await ask(simulator)
        result = await probed("ollama", simulator.url)
    assert result.failure is not None
    assert result.failure.reason is reason
    assert result.failure.detail == " ".join(raised.value.error.split())


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.Disconnect(after_tokens=2), FailureReason.TRUNCATED),
        (faults.Disconnect(after_tokens=2, reset=False), FailureReason.TRUNCATED),
        (faults.MissingEndMarker(), FailureReason.TRUNCATED),
        (faults.Garbage(), FailureReason.PROTOCOL),
        (faults.Hang(), FailureReason.TIMEOUT_FIRST_TOKEN),
        (faults.Stall(after_tokens=2), FailureReason.TIMEOUT_STALL),
        (faults.EmptyAnswer(), FailureReason.EMPTY),
        (faults.RawResponse(404, b"404 page not found"), FailureReason.NOT_FOUND),
        (faults.DataAfterEnd(), None),
    ],
    ids=repr,
)
async def test_our_probe_names_each_fault(fault: Fault, reason: FailureReason | None) -> None:
    async with Simulator({"m": replace(QUICK, fault=fault)}) as simulator:
        result = await probed("ollama", simulator.url, timeouts=limits_for(reason))
    assert (result.failure and result.failure.reason) == reason


async def test_what_follows_the_end_is_no_part_of_the_answer() -> None:
    script = replace(QUICK, fault=faults.DataAfterEnd())
    async with Simulator({"m": script}) as simulator:
        result = await probed("ollama", simulator.url)
    assert result.answer == script.answer


async def test_a_key_opens_a_door_that_has_a_lock(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    async with Simulator({"m": QUICK}, api_key=KEY) as simulator:
        assert (await ask(simulator))[-1].done
        with pytest.raises(ollama.ResponseError, match="unauthorized"):
            await ask(simulator, key="wrong")
        with_key = await probed("ollama", simulator.url, key_file=tmp_path / "key")
        without = await probed("ollama", simulator.url)
    assert with_key.failure is None
    assert without.failure is not None
    assert without.failure.reason is FailureReason.AUTH
