"""Each fault has its effect on the wire."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest

from exporter.simulator import Error, ErrorKind, Script, Simulator, faults
from exporter.simulator.faults import Fault
from tests.simulator.clients import ask, body_of, connected, events, messages, request

OVERLOADED = Error(ErrorKind.OVERLOADED, "Try later.", retry_after_seconds=7)


def simulator_with(fault: Fault, ratio: float = 1.0) -> Simulator:
    script = Script(
        first_token_seconds=0.0,
        token_gap_seconds=0.0,
        answer="1 2 3 4",
        fault=fault,
        fault_ratio=ratio,
    )
    return Simulator({"m": script})


def answer_in(response: bytes) -> str:
    return "".join(
        choice["delta"].get("content", "")
        for message in messages(response)
        for choice in message.get("choices", ())
    )


@pytest.mark.parametrize(
    ("kind", "status", "word"),
    [
        (ErrorKind.BAD_REQUEST, 400, "invalid_request_error"),
        (ErrorKind.CONTENT_FILTER, 400, "content_filter"),
        (ErrorKind.INVALID_KEY, 401, "invalid_api_key"),
        (ErrorKind.FORBIDDEN, 403, "unsupported_country_region_territory"),
        (ErrorKind.MODEL_NOT_FOUND, 404, "model_not_found"),
        (ErrorKind.RATE_LIMITED, 429, "rate_limit_exceeded"),
        (ErrorKind.QUOTA, 429, "insufficient_quota"),
        (ErrorKind.SERVER_ERROR, 500, "server_error"),
        (ErrorKind.OVERLOADED, 503, "server_is_overloaded"),
        (ErrorKind.NOT_READY, 503, "unavailable_error"),
    ],
)
async def test_error_responses_have_the_providers_status_and_words(
    kind: ErrorKind, status: int, word: str
) -> None:
    async with simulator_with(faults.ErrorResponse(Error(kind, "No."))) as simulator:
        head, _, body = (await ask(simulator)).partition(b"\r\n\r\n")
    error = json.loads(body)["error"]
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert word in (error["code"], error["type"])
    assert error["message"] == "No."


async def test_an_error_may_say_when_to_come_back() -> None:
    async with simulator_with(faults.ErrorResponse(OVERLOADED)) as simulator:
        assert b"\r\nretry-after: 7\r\n" in await ask(simulator)


async def test_an_error_may_hide_behind_status_200() -> None:
    async with simulator_with(faults.ErrorWithStatusOk(OVERLOADED)) as simulator:
        head, _, body = (await ask(simulator)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert json.loads(body)["error"]["code"] == "server_is_overloaded"


async def test_a_proxys_own_response() -> None:
    page = faults.RawResponse(502, b"<h1>Bad Gateway</h1>", (("content-type", "text/html"),))
    async with simulator_with(page) as simulator:
        response = await ask(simulator)
    assert response.startswith(b"HTTP/1.1 502 ")
    assert response.endswith(b"\r\n\r\n<h1>Bad Gateway</h1>")


async def test_an_error_in_the_middle_ends_the_stream() -> None:
    fault = faults.ErrorMidStream(OVERLOADED, after_tokens=2)
    async with simulator_with(fault) as simulator:
        response = await ask(simulator)
    assert answer_in(response) == "1 2"
    assert messages(response)[-1]["error"]["code"] == "server_is_overloaded"
    assert b"[DONE]" not in response
    assert response.endswith(b"\r\n0\r\n\r\n")


async def test_a_reset_is_a_reset() -> None:
    async with simulator_with(faults.Disconnect(after_tokens=2)) as simulator:
        with pytest.raises(ConnectionResetError):
            await ask(simulator)
        assert simulator.ledger[0].tokens == 2


async def test_a_connection_closed_too_early_lacks_the_last_chunk() -> None:
    async with simulator_with(faults.Disconnect(after_tokens=2, reset=False)) as simulator:
        response = await ask(simulator)
    assert b'" 2"' in response
    assert b'" 3"' not in response
    assert not response.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("tokens", [0, 2])
async def test_a_stalled_stream_is_silent_but_open(tokens: int) -> None:
    async with simulator_with(faults.Stall(tokens)) as simulator:
        async with connected(simulator) as client:
            client.send(request())
            await client.until(b'" 2"' if tokens else b'"role"')
            await client.until(b"\n\n\r\n")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.next_read(), 0.2)
        assert await _client_gone(simulator) == [200]
        assert simulator.ledger[0].tokens == tokens


async def test_a_hanging_server_says_nothing_until_the_client_leaves() -> None:
    async with simulator_with(faults.Hang()) as simulator:
        async with connected(simulator) as client:
            client.send(request())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.next_read(), 0.2)
            assert await _client_gone(simulator, patience=1) == []
        assert await _client_gone(simulator) == [None]


async def test_a_stream_without_end_marker_is_otherwise_whole() -> None:
    async with simulator_with(faults.MissingEndMarker()) as simulator:
        response = await ask(simulator)
    assert messages(response)[-1]["usage"]["completion_tokens"] == 4
    assert b"[DONE]" not in response
    assert response.endswith(b"\r\n0\r\n\r\n")


async def test_data_after_the_end() -> None:
    async with simulator_with(faults.DataAfterEnd()) as simulator:
        *_, end, after = events(await ask(simulator))
    assert end == "data: [DONE]"
    assert " and more" in after


async def test_garbage_comes_between_good_events() -> None:
    async with simulator_with(faults.Garbage(after_tokens=2)) as simulator:
        broken = events(await ask(simulator))[3]
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken.removeprefix("data: "))


async def test_an_endless_stream_goes_on_past_the_limit() -> None:
    async with simulator_with(faults.Endless()) as simulator, connected(simulator) as client:
        client.send(request(body_of(max_tokens=1)))
        received = 0
        while received < 1 << 20:
            received += len(await client.next_read())


async def test_an_empty_answer_is_a_whole_stream() -> None:
    async with simulator_with(faults.EmptyAnswer()) as simulator:
        response = await ask(simulator)
    assert answer_in(response) == ""
    assert events(response)[-1] == "data: [DONE]"


async def test_a_refusal_has_its_own_field() -> None:
    async with simulator_with(faults.Refusal()) as simulator:
        response = await ask(simulator)
    deltas = [message["choices"][0]["delta"] for message in messages(response)[1:-2]]
    assert "".join(delta["refusal"] for delta in deltas).startswith("I'm sorry")
    assert answer_in(response) == ""


async def test_a_content_filter_stops_the_answer() -> None:
    async with simulator_with(faults.ContentFilter(after_tokens=3)) as simulator:
        response = await ask(simulator)
    assert answer_in(response) == "1 2 3"
    assert b'"finish_reason":"content_filter"' in response


async def test_a_compressed_body_still_arrives_event_by_event() -> None:
    async with simulator_with(faults.Compressed()) as simulator:
        response = await ask(simulator)
    head, _, rest = response.partition(b"\r\n\r\n")
    assert b"content-encoding: gzip" in head
    chunks = _chunks(rest)
    assert len(chunks) == 9
    assert gzip.decompress(b"".join(chunks)).endswith(b"data: [DONE]\n\n")


async def test_the_seed_decides_which_requests_meet_the_fault() -> None:
    async def statuses() -> list[int | None]:
        async with simulator_with(faults.ErrorResponse(OVERLOADED), ratio=0.3) as simulator:
            async with connected(simulator) as client:
                for _ in range(100):
                    client.send(request())
                    if (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200"):
                        await client.until(b"\r\n0\r\n\r\n")
                    else:
                        await client.until(b"}}")
            return [served.status for served in simulator.ledger]

    first, second = await statuses(), await statuses()
    assert first == second
    assert 15 <= first.count(503) <= 45


async def _client_gone(simulator: Simulator, patience: int = 500) -> list[int | None]:
    """Return the statuses in the ledger, after the simulator has noticed that the client left."""
    for _ in range(patience):
        if simulator.ledger:
            break
        await asyncio.sleep(0.01)
    return [served.status for served in simulator.ledger]


def _chunks(body: bytes) -> list[bytes]:
    chunks = []
    while body != b"0\r\n\r\n":
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        chunks.append(body[:length])
        body = body[length + 2 :]
    return chunks
