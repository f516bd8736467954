"""Time per output token: which token is the last one, and when there is no speed."""

from __future__ import annotations

import json

import pytest

from exporter.probing.pace import Piece, hides_tokens, is_burst
from exporter.result import ProbeResult
from tests.contract.probing import probed
from tests.wire import LAST_CHUNK, STREAM_HEAD, Step, chunk, wire_server

GAP = 0.06


def event(**members: object) -> bytes:
    return chunk(b"data: " + json.dumps(members).encode() + b"\n\n")


def said(text: str, **delta: object) -> bytes:
    return event(choices=[{"delta": {"content": text, **delta}, "finish_reason": None}])


def finished(word: str, tokens: int) -> bytes:
    usage = {"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": 9 + tokens}
    ending = event(choices=[{"delta": {}, "finish_reason": word}])
    return ending + event(choices=[], usage=usage) + chunk(b"data: [DONE]\n\n") + LAST_CHUNK


async def timed(provider: str, *script: Step, preset: str | None = None) -> ProbeResult:
    with wire_server([STREAM_HEAD, *script]) as server:
        result = await probed(provider, f"{server.url}/v1", preset=preset)
    assert result.failure is None
    return result


def span(result: ProbeResult) -> float:
    timeline = result.timeline
    assert timeline.last_token is not None
    assert timeline.first_token is not None
    return (timeline.last_token - timeline.first_token) / 1e9


FIVE: list[Step] = [step for n in range(5) for step in (said(f"{n} "), GAP)]


@pytest.mark.parametrize("provider", ["vllm", "openai"])
async def test_the_token_that_ends_an_answer_is_counted_where_it_is_not_shown(
    provider: str,
) -> None:
    result = await timed(provider, *FIVE, finished("stop", tokens=6))
    assert span(result) >= 5 * GAP
    assert result.time_per_output_token_seconds == pytest.approx(span(result) / 5)


async def test_the_last_token_of_a_whole_length_is_shown() -> None:
    result = await timed("vllm", *FIVE, finished("length", tokens=5))
    gaps = sum(result.inter_chunk_latencies_seconds)
    assert span(result) == pytest.approx(gaps)


async def test_a_stop_much_later_than_a_token_is_no_token() -> None:
    result = await timed("vllm", *FIVE, 3 * GAP, finished("stop", tokens=5))
    assert span(result) == pytest.approx(sum(result.inter_chunk_latencies_seconds))


async def test_a_late_stop_is_a_token_where_all_but_one_of_those_counted_were_seen() -> None:
    result = await timed("vllm", *FIVE, 3 * GAP, finished("stop", tokens=6))
    assert span(result) >= 8 * GAP


async def test_a_stop_is_no_token_where_all_of_those_counted_were_seen() -> None:
    """At its length limit, transformers serve's Responses API says ``completed``."""
    result = await timed("vllm", *FIVE, finished("stop", tokens=5))
    assert span(result) == pytest.approx(sum(result.inter_chunk_latencies_seconds))


async def test_where_nobody_knows_what_is_counted_the_last_output_holds() -> None:
    result = await timed("openai", *FIVE, finished("stop", tokens=6), preset="groq")
    assert span(result) == pytest.approx(sum(result.inter_chunk_latencies_seconds))


@pytest.mark.parametrize("shown", [1, 0])
async def test_a_burst_behind_a_stall_is_no_speed(shown: int) -> None:
    burst = b"".join(said(f"{n} ") for n in range(64))
    first: list[Step] = [said("0 "), 0.2] * shown
    result = await timed("vllm", *first, burst, finished("stop", tokens=65 + shown))
    assert result.time_per_output_token_seconds is None
    assert result.output_tokens_per_second is None


async def test_a_call_of_a_tool_has_no_time_per_token() -> None:
    calls = [{"function": {"name": "add", "arguments": "{}"}}]
    called = said("", tool_calls=calls)
    script: list[Step] = [called, GAP, called, GAP, finished("tool_calls", tokens=20)]
    result = await timed("vllm", *script)
    assert result.time_per_output_token_seconds is None


async def test_tokens_that_cannot_have_been_shown_have_no_time() -> None:
    result = await timed("vllm", *FIVE, finished("stop", tokens=4000))
    assert result.time_per_output_token_seconds is None


MS = 1_000_000


def reads(*parts: tuple[float, int]) -> list[Piece]:
    """Return reads at these milliseconds, each with this many pieces of four bytes."""
    return [Piece(round(at * MS), pieces, 4 * pieces) for at, pieces in parts]


@pytest.mark.parametrize(
    ("parts", "tokens", "expected"),
    [
        ([(0, 64)], 64, True),
        ([(0, 1), (2000, 63)], 64, True),
        ([(0, 63), (2000, 1)], 64, True),
        ([(0, 35), (0.5, 35)], 70, True),
        ([(n * 0.01, 1) for n in range(70)], 70, True),
        ([(0, 1), *[(2000 + n * 0.01, 1) for n in range(70)]], 71, True),
        ([(0, 1), (1, 1)], 2, False),
        ([(0, 32), (500, 32)], 64, False),
        ([(n * 10, 1) for n in range(64)], 64, False),
        ([(n * 0.3, 1) for n in range(64)], 64, False),
        ([(n * 0.17, 1) for n in range(64)], 64, False),  # a tiny model on a GPU
        ([(n * 0.06, 1) for n in range(64)], 64, True),  # a burst, on a busy machine
        ([(0, 5), *[(n * 10, 1) for n in range(1, 20)]], 24, False),
        ([], 64, False),
    ],
)
def test_where_nearly_all_came_at_one_moment_there_is_no_speed(
    parts: list[tuple[float, int]], tokens: int, expected: bool
) -> None:
    assert is_burst(reads(*parts), tokens) is expected


def test_a_token_may_be_less_than_a_character_but_not_nothing() -> None:
    assert not hides_tokens([Piece(0, 1, 4)], 16)
    assert hides_tokens([Piece(0, 1, 4)], 500)
