"""Reused connections that the server closes just as the next request arrives."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest
import trustme

from exporter.net.exchange import Exchange
from exporter.net.failure import NetworkFailure
from exporter.result import FailureReason
from tests.net.test_transport import OK, connections_to, fetch, target
from tests.wire import Act, Step, response, wire_server

T = TypeVar("T")
GONE: list[list[Step]] = [[Act.CLOSE], [Act.RESET]]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.mark.parametrize("gone", GONE, ids=["closed", "reset"])
@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_request_is_sent_once_more_over_a_new_connection(
    gone: list[Step], encrypted: bool, authority: trustme.CA, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    with wire_server([OK], gone, [OK], tls=context if encrypted else None) as server:
        scheme = "https" if encrypted else "http"
        where = target(f"{scheme}://localhost:{server.port}", tls={"ca_file": ca_file})
        async with connections_to(where) as connections:
            await fetch(connections, Exchange())
            again = Exchange()
            assert await fetch(connections, again) == b"hello"
    assert again.retries == 1
    assert again.connection is not None
    assert server.connections == 2
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("scripts", "requests"),
    [
        ([[Act.CLOSE], [OK]], 1),
        ([[OK], [b"H", Act.CLOSE], [OK]], 2),
        ([[OK], [Act.CLOSE], [Act.CLOSE], [OK]], 3),
    ],
    ids=["a new connection", "an answer that had begun", "the second try"],
)
async def test_it_is_not_sent_again(scripts: list[list[Step]], requests: int) -> None:
    with wire_server(*scripts) as server:
        async with connections_to(target(server.url)) as connections:
            for _ in scripts[0:1] if scripts[0] == [OK] else ():
                await fetch(connections, Exchange())
            with pytest.raises(NetworkFailure) as failure:
                await fetch(connections, Exchange())
    assert failure.value.reason is FailureReason.CONNECT
    assert len(server.requests) == requests


async def test_the_new_connection_is_new_even_if_others_are_kept() -> None:
    """A restarted server has closed all of its old connections."""
    slow: list[Step] = [0.2, OK]
    with wire_server(slow, slow, [Act.CLOSE], [OK]) as server:
        async with connections_to(target(server.url)) as connections:
            await asyncio.gather(*(fetch(connections, Exchange()) for _ in range(2)))
            again = Exchange()
            assert await fetch(connections, again) == b"hello"
    assert again.retries == 1
    assert server.connections == 3


async def test_a_missing_client_certificate_is_a_tls_failure(
    authority: trustme.CA, tmp_path: Path
) -> None:
    """TLS 1.3 reports it after the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.issue_cert("localhost").configure_cert(context)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    with wire_server([OK], tls=context) as server:
        where = target(f"https://localhost:{server.port}", tls={"ca_file": ca_file})
        async with connections_to(where) as connections:
            with pytest.raises(NetworkFailure, match="CERTIFICATE_REQUIRED") as failure:
                await fetch(connections, Exchange())
    assert failure.value.reason is FailureReason.TLS


async def corked(writer: asyncio.StreamWriter, *answers: bytes) -> None:
    """Send answers in one segment. Over TLS, each one is a separate record."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    for one in answers:
        writer.write(one)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    await writer.drain()


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_CORK is Linux's")
@pytest.mark.parametrize("surplus", [response(200, b"nobody's"), b"\r\n"])
async def test_a_surplus_in_a_tls_record_of_its_own_is_never_an_answer(
    surplus: bytes, authority: trustme.CA, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                asked += 1
                await corked(writer, response(200, b"%d" % asked), surplus)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        where = target(f"https://localhost:{port}", tls={"ca_file": ca_file})
        async with connections_to(where) as connections:
            answers = [await fetch(connections, Exchange()) for _ in range(4)]
    assert answers == [b"1", b"2", b"3", b"4"]


async def early_tls(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext
) -> None:
    """Speak TLS with a client. What ends the handshake leaves together with an answer to nothing;
    then every request gets a true answer."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)

    async def step(what: Callable[[], T]) -> T:
        while True:
            try:
                return what()
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                if not (data := await reader.read(1 << 16)):
                    raise ConnectionError from None
                incoming.write(data)

    with suppress(ConnectionError):
        await step(tls.do_handshake)
        tls.write(response(200, b"nobody's"))
        while True:
            await step(lambda: tls.read(1 << 16))
            tls.write(response(200, b"yours"))
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_an_answer_that_came_before_its_request_counts_for_none(
    authority: trustme.CA, tmp_path: Path
) -> None:
    """In TLS 1.2 the server has the last word of the handshake, and an answer that comes with it
    was surely read before the request was sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert("localhost").configure_cert(context)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    served: list[asyncio.Task[None]] = []

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.create_task(early_tls(reader, writer, context)))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        where = target(f"https://localhost:{port}", tls={"ca_file": ca_file})
        async with connections_to(where) as kept:
            for _ in range(3):
                with pytest.raises(NetworkFailure, match="before the request") as failure:
                    await fetch(kept, Exchange())
                assert failure.value.reason is FailureReason.PROTOCOL
        await asyncio.gather(*served)
    assert len(served) == 3
