"""Connections: kept, closed, broken, and encrypted. No client affects another."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from contextlib import AsyncExitStack

import httpx
import pytest
import trustme

from exporter.result import NANOSECONDS
from exporter.simulator import Error, ErrorKind, Script, Simulator, run_in_thread
from exporter.simulator.faults import Endless, ErrorResponse
from tests.simulator.clients import CLOSING, ask, body_of, connected, request
from tests.waiting import timed

FAST = Script(first_token_seconds=0.0, token_gap_seconds=0.0, answer="1 2 3")
LAST_CHUNK = b"\r\n0\r\n\r\n"


async def test_a_connection_carries_many_requests() -> None:
    async with Simulator({"m": FAST}) as simulator:
        async with connected(simulator) as client:
            for _ in range(3):
                client.send(request())
                await client.until(LAST_CHUNK)
        await ask(simulator)
        numbers = [(served.connection, served.request) for served in simulator.ledger]
        assert numbers == [(1, 1), (1, 2), (1, 3), (2, 1)]
        assert simulator.connections == 2


async def test_a_request_waits_for_a_free_slot() -> None:
    script = Script(first_token_seconds=0.05, token_gap_seconds=0.01, answer="1 2 3", slots=2)
    async with Simulator({"m": script}) as simulator:
        await asyncio.gather(*(ask(simulator) for _ in range(5)))
        served = sorted(simulator.ledger, key=lambda one: one.outputs[0].monotonic_ns)

    ends = sorted(one.ended_ns for one in served)
    for one, earlier_end in zip(served[script.slots or 0 :], ends, strict=False):
        assert one.outputs[0].monotonic_ns > earlier_end + 0.04 * NANOSECONDS


async def test_a_client_that_wants_to_close_is_closed() -> None:
    async with Simulator({"m": FAST}) as simulator, connected(simulator) as client:
        client.send(request(None, CLOSING))
        assert (await client.rest()).endswith(LAST_CHUNK)


async def test_a_script_can_close_the_connection() -> None:
    closing = Simulator({"m": Script(keep_alive=False)})
    async with closing as simulator, connected(simulator) as client:
        client.send(request())
        response = await client.rest()
    assert b"connection: close" in response
    assert response.endswith(LAST_CHUNK)


async def test_a_script_can_close_the_connection_after_an_error_too() -> None:
    script = Script(keep_alive=False, fault=ErrorResponse(Error(ErrorKind.OVERLOADED)))
    async with Simulator({"m": script}) as simulator, connected(simulator) as client:
        client.send(request())
        assert b"connection: close" in await client.rest()


async def test_requests_sent_ahead_are_answered_in_order() -> None:
    scripts = {"m": FAST, "n": Script(answer="second", token_gap_seconds=0)}
    async with Simulator(scripts) as simulator, connected(simulator) as client:
        client.send(request() + request(body_of("n"), CLOSING))
        first, second = (await client.rest()).split(LAST_CHUNK)[:2]
    assert b'" 3"' in first
    assert b'"second"' in second


async def test_a_client_may_wait_before_it_sends_its_body() -> None:
    whole = request(None, "expect: 100-continue", CLOSING)
    head, separator, body = whole.partition(b"\r\n\r\n")
    async with Simulator({"m": FAST}) as simulator, connected(simulator) as client:
        client.send(head + separator)
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        client.send(body)
        assert (await client.rest()).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n", 400),
        (request(b"x" * (5 << 20)), 413),
    ],
)
async def test_what_is_not_http_is_told_so(data: bytes, status: int) -> None:
    async with Simulator({"m": FAST}) as simulator, connected(simulator) as client:
        client.send(data)
        assert (await client.until(b"\r\n")).startswith(b"HTTP/1.1 %d" % status)


async def test_slow_and_broken_clients_disturb_nobody() -> None:
    scripts = {
        "m": Script(first_token_seconds=0.05, token_gap_seconds=0.005),
        "endless": Script(fault=Endless(), token_gap_seconds=0.0),
    }
    async with Simulator(scripts) as sim, connected(sim) as unread, connected(sim) as half:
        unread.send(request(body_of("endless")))
        half.send(request()[:40])
        async with connected(sim) as broken:
            broken.send(request())
            await broken.until(b'"1"')
        responses = await asyncio.gather(*(ask(sim) for _ in range(20)))
    assert all(response.endswith(LAST_CHUNK) for response in responses)


async def test_a_simulator_ends_at_once_with_streams_under_way() -> None:
    slow = Simulator({"m": Script(first_token_seconds=60.0)})
    async with AsyncExitStack() as clients:
        async with slow as simulator:
            client = await clients.enter_async_context(connected(simulator))
            client.send(request())
            await client.until(b'"role"')
            started = time.monotonic()
        assert time.monotonic() - started < 30
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.until(LAST_CHUNK)


async def test_keys_are_checked_where_one_is_set() -> None:
    async with Simulator({"m": FAST}, api_key="right") as simulator, httpx.AsyncClient() as client:
        url = f"{simulator.url}/v1/chat/completions"
        answers = [
            await client.post(url, content=body_of(), headers=headers)
            for headers in ({}, {"authorization": "Bearer no"}, {"authorization": "Bearer right"})
        ]
    assert [answer.status_code for answer in answers] == [401, 401, 200]
    assert answers[0].json()["error"]["code"] == "invalid_api_key"


async def test_tls_and_a_late_accept() -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    async with Simulator({"m": FAST}, ssl_context=server, accept_seconds=0.2) as simulator:
        started = time.monotonic()
        async with httpx.AsyncClient(verify=client) as http:
            url = f"{simulator.url}/v1/chat/completions"
            response = await http.post(url, content=body_of())
    assert simulator.url.startswith("https://")
    assert response.text.endswith("data: [DONE]\n\n")
    assert time.monotonic() - started >= 0.2


@timed
def test_a_thread_keeps_time_while_the_caller_is_busy() -> None:
    script = Script(first_token_seconds=0.05, token_gap_seconds=0.005)
    with run_in_thread(Simulator({"m": script})) as simulator:
        host, port = simulator.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as client:
            client.sendall(request(None, CLOSING))
            while client.recv(1 << 16):
                pass
        (served,) = simulator.ledger
    first = (served.outputs[0].monotonic_ns - served.received_ns) / NANOSECONDS
    assert 0.05 <= first < 0.5


def test_a_thread_that_cannot_listen_says_so() -> None:
    with run_in_thread(Simulator({})) as simulator:
        port = int(simulator.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), run_in_thread(Simulator({}, port=port)):
            pass
