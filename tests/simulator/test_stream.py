"""The normal stream, its bytes and its timing."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from exporter.result import NANOSECONDS, RateLimit, Usage
from exporter.simulator import Script, Simulator
from tests.simulator.clients import ask, body_of, connected, events, messages, request
from tests.waiting import timed

FAST = Script(first_token_seconds=0.0, token_gap_seconds=0.0, answer="1 2 3")


async def test_the_stream_has_openais_order() -> None:
    async with Simulator({"m": FAST}) as simulator:
        response = await ask(simulator)
    chunks = messages(response)
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert deltas == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "1"},
        {"content": " 2"},
        {"content": " 3"},
        {},
    ]
    finish, usage = chunks[-2:]
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == 6
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    assert events(response)[-1] == "data: [DONE]"


async def test_usage_is_told_only_to_those_who_ask() -> None:
    async with Simulator({"m": FAST}) as simulator:
        chunks = messages(await ask(simulator, body_of(stream_options=None)))
    assert all("usage" not in chunk for chunk in chunks)


async def test_the_role_comes_with_the_first_output_where_no_opening_is_wanted() -> None:
    async with Simulator({"m": Script(opening_event=False, answer="yes")}) as simulator:
        chunks = messages(await ask(simulator))
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "yes"}


async def test_thought_is_streamed_beside_the_answer() -> None:
    async with Simulator({"m": Script(reasoning_tokens=2, answer="yes")}) as simulator:
        chunks = messages(await ask(simulator))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[1:4]]
    assert deltas == [
        {"reasoning_content": "Let"},
        {"reasoning_content": " me"},
        {"content": "yes"},
    ]


async def test_headers_tell_limits_id_and_served_model() -> None:
    script = Script(
        served_model="m-2026-09-01",
        rate_limits=(RateLimit("requests", 500, 499), RateLimit("tokens", 30_000)),
    )
    async with Simulator({"m": script}) as simulator, httpx.AsyncClient() as client:
        url = f"{simulator.url}/any/prefix/chat/completions"
        response = await client.post(url, content=body_of())
    assert '"model":"m-2026-09-01"' in response.text
    assert response.headers["x-request-id"].startswith("req_")
    assert response.headers["x-ratelimit-limit-requests"] == "500"
    assert response.headers["x-ratelimit-remaining-requests"] == "499"
    assert response.headers["x-ratelimit-limit-tokens"] == "30000"
    assert "x-ratelimit-remaining-tokens" not in response.headers


@timed
async def test_tokens_are_sent_when_they_are_due_and_lateness_does_not_add_up() -> None:
    script = Script(
        first_token_seconds=0.2, token_gap_seconds=0.01, answer_tokens=60, tokens_per_chunk=(1, 4)
    )
    async with Simulator({"m": script}) as simulator:
        await ask(simulator)
        (served,) = simulator.ledger
    due, late = 0.2, []
    for number, sent in enumerate(served.outputs):
        due += 0.01 * sent.tokens if number else 0.0
        late.append((sent.monotonic_ns - served.received_ns) / NANOSECONDS - due)
    assert min(late) >= -1e-6
    # A busy machine can delay one token, but drift would delay each token more than the last.
    assert sorted(late)[len(late) // 2] < 0.03


@timed
async def test_headers_wait_for_their_time() -> None:
    script = Script(headers_seconds=0.1, first_token_seconds=0.2, preamble=1, ending_seconds=0.1)
    async with Simulator({"m": script}) as simulator, connected(simulator) as client:
        started = time.monotonic()
        client.send(request())
        head = await client.until(b"\r\n\r\n")
        headers_after = time.monotonic() - started
        await client.until(b": ping\n\n")
        await client.until(b'"1"')
        first_token_after = time.monotonic() - started
        await client.until(b" 20")
        last_token_after = time.monotonic() - started
        await client.until(b"[DONE]")
        end_after = time.monotonic() - started
    assert head.startswith(b"HTTP/1.1 200")
    assert 0.1 <= headers_after < 0.2 <= first_token_after
    assert end_after - last_token_after == pytest.approx(0.1, abs=0.05)


async def test_the_ledger_has_what_was_asked_and_sent() -> None:
    async with Simulator({"m": Script(token_gap_seconds=0, tokens_per_chunk=(8,))}) as simulator:
        before = time.monotonic_ns(), time.time_ns()
        await ask(simulator)
        after = time.monotonic_ns(), time.time_ns()
        (served,) = simulator.ledger
    assert (served.path, served.model) == ("/v1/chat/completions", "m")
    assert served.prompt == "Count to twenty"
    assert (served.status, served.usage) == (200, Usage(input=3, output=20))
    assert [sent.tokens for sent in served.outputs] == [8, 8, 4]
    assert served.tokens == 20
    marks = [served.received_ns, *(sent.monotonic_ns for sent in served.outputs), served.ended_ns]
    assert [before[0], *marks, after[0]] == sorted([before[0], *marks, after[0]])
    assert all(before[1] <= sent.wall_ns <= after[1] for sent in served.outputs)


async def test_several_events_can_share_one_write() -> None:
    script = Script(preamble=1, answer="1 2 3", events_per_write=3)
    async with Simulator({"m": script}) as simulator, connected(simulator) as client:
        client.send(request())
        await client.until(b"\r\n\r\n")
        first = await client.next_read()
    assert b'"role"' in first
    assert b": ping" in first
    assert b'"content":"1"' in first
    assert b'" 2"' not in first


async def test_writes_can_be_cut_inside_a_character() -> None:
    script = Script(answer="häh", split_characters=True)
    async with Simulator({"m": script}) as simulator, connected(simulator) as client:
        client.send(request())
        await client.until(b'"content":"h')
        cut = await client.next_read()
        rest = await client.next_read()
    assert cut == "ä".encode()[:1]
    assert rest.startswith("ä".encode()[1:] + b'h"')


@pytest.mark.parametrize(
    ("path", "status"), [("/health", 200), ("/v1/models", 200), ("/nowhere", 404)]
)
async def test_pages_next_to_the_models(path: str, status: int) -> None:
    async with Simulator({"m": Script()}) as simulator, httpx.AsyncClient() as client:
        response = await client.get(simulator.url + path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"


async def test_scripts_may_change_between_requests() -> None:
    async with Simulator({"m": FAST}) as simulator:
        simulator.scripts["m"] = Script(answer="changed", token_gap_seconds=0)
        assert b'"changed"' in await ask(simulator)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (body_of("unknown"), 404, "model_not_found"),
        (b"{", 400, None),
        (b'{"model":"m"}', 400, None),
        (body_of(stream=False), 400, None),
    ],
)
async def test_requests_that_cannot_be_answered(body: bytes, status: int, code: str) -> None:
    async with Simulator({"m": FAST}) as simulator:
        head, _, error = (await ask(simulator, body)).partition(b"\r\n\r\n")
        assert simulator.ledger[0].status == status
    assert head.startswith(b"HTTP/1.1 %d" % status)
    assert json.loads(error)["error"]["code"] == code
