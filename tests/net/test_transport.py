"""The network below a probe: separate phases, verified TLS, timestamped arrivals, proxies."""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from exporter.config.connection import TlsSettings
from exporter.config.target import Target
from exporter.net.body import Body, Part
from exporter.net.exchange import Exchange
from exporter.net.failure import NetworkFailure
from exporter.net.proxies import proxy_for
from exporter.net.transport import EXCHANGE, Connections
from exporter.net.trust import tls_context
from exporter.result import FailureReason
from tests.waiting import timed
from tests.wire import LAST_CHUNK, Act, Step, chunk, response, wire_server

OK = response(200, b"hello")


def target(url: str, **fields: object) -> Target:
    return Target.model_validate(
        {"name": "t", "provider": "openai", "model": "m", "base_url": url, **fields}
    )


async def fetch(connections: Connections, exchange: Exchange, *, fresh: bool = False) -> bytes:
    request = httpx.Request("GET", connections.target.endpoint, extensions={EXCHANGE: exchange})
    async with connections.transport(fresh=fresh) as transport:
        response = await transport.handle_async_request(request)
        return b"".join([part async for part in response.aiter_raw()])


@asynccontextmanager
async def connections_to(where: Target) -> AsyncIterator[Connections]:
    connections = Connections(where)
    try:
        yield connections
    finally:
        await connections.retire()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


async def test_phases_are_timed_apart(server_tls: ssl.SSLContext, ca_file: Path) -> None:
    with wire_server([OK], tls=server_tls) as server:
        where = target(f"https://localhost:{server.port}", tls={"ca_file": ca_file})
        exchanges = [Exchange() for _ in range(5)]
        for exchange in exchanges:
            async with connections_to(where) as connections:
                assert await fetch(connections, exchange) == b"hello"
    phases = [exchange.connection for exchange in exchanges if exchange.connection]
    assert len(phases) == 5
    assert all(it.dns_seconds is not None for it in phases)
    # Take the fastest of several, because a late process makes a single one longer.
    tcp = min(it.tcp_seconds for it in phases if it.tcp_seconds is not None)
    tls = min(it.tls_seconds for it in phases if it.tls_seconds is not None)
    assert tls > tcp > 0


async def test_an_address_has_no_dns_phase_and_plain_http_no_tls_phase() -> None:
    with wire_server([OK]) as server:
        exchange = Exchange()
        async with connections_to(target(server.url)) as connections:
            await fetch(connections, exchange)
    assert exchange.connection is not None
    assert exchange.connection.dns_seconds is None
    assert exchange.connection.tls_seconds is None


async def test_a_reused_connection_has_no_phases(server_tls: ssl.SSLContext, ca_file: Path) -> None:
    with wire_server([OK], tls=server_tls) as server:
        where = target(f"https://localhost:{server.port}", tls={"ca_file": ca_file})
        async with connections_to(where) as connections:
            await fetch(connections, Exchange())
            again = Exchange()
            await fetch(connections, again)
    assert again.connection is None
    assert server.connections == 1


async def test_a_connection_that_the_server_closed_is_replaced() -> None:
    with wire_server([OK, Act.CLOSE], [OK]) as server:
        async with connections_to(target(server.url)) as connections:
            await fetch(connections, Exchange())
            await asyncio.sleep(0.1)
            assert await fetch(connections, Exchange()) == b"hello"
    assert server.connections == 2


async def test_the_certificate_expiry_is_told(server_tls: ssl.SSLContext, ca_file: Path) -> None:
    with wire_server([OK], tls=server_tls) as server:
        where = target(f"https://localhost:{server.port}", tls={"ca_file": ca_file})
        exchange = Exchange()
        async with connections_to(where) as connections:
            await fetch(connections, exchange)
    assert exchange.certificate_expires_at is not None
    assert exchange.certificate_expires_at > time.time()


async def test_an_unknown_authority_is_a_tls_failure(server_tls: ssl.SSLContext) -> None:
    with wire_server([OK], tls=server_tls) as server:
        async with connections_to(target(f"https://localhost:{server.port}")) as connections:
            with pytest.raises(NetworkFailure, match="certificate is not to be trusted") as failure:
                await fetch(connections, Exchange())
    assert failure.value.reason is FailureReason.TLS


async def test_a_certificate_for_another_host_is_a_tls_failure(
    authority: trustme.CA, ca_file: Path
) -> None:
    wrong = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(wrong)
    with wire_server([OK], tls=wrong) as server:
        where = target(f"https://localhost:{server.port}", tls={"ca_file": ca_file})
        async with connections_to(where) as connections:
            with pytest.raises(NetworkFailure, match="certificate is not to be trusted") as failure:
                await fetch(connections, Exchange())
    assert failure.value.reason is FailureReason.TLS


async def test_https_to_a_plain_server_is_a_tls_failure() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(response(400, b""))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connections_to(target(f"https://127.0.0.1:{port}")) as connections:
            with pytest.raises(NetworkFailure) as failure:
                await fetch(connections, Exchange())
    assert failure.value.reason is FailureReason.TLS


async def test_a_client_certificate_is_presented(
    authority: trustme.CA, server_tls: ssl.SSLContext, ca_file: Path, tmp_path: Path
) -> None:
    server_tls.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(server_tls)
    cert_file = tmp_path / "client.pem"
    authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(str(cert_file))
    tls = {"ca_file": ca_file, "cert_file": cert_file, "key_file": cert_file}
    with wire_server([OK], tls=server_tls) as server:
        async with connections_to(
            target(f"https://localhost:{server.port}", tls=tls)
        ) as connections:
            assert await fetch(connections, Exchange()) == b"hello"


async def test_an_unusable_ca_file_is_named(tmp_path: Path) -> None:
    where = target("https://localhost:1", tls={"ca_file": tmp_path / "missing.pem"})
    with pytest.raises(NetworkFailure, match=r"missing\.pem cannot be read"):
        await fetch(Connections(where), Exchange())


@timed
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives receive times for TCP")
@pytest.mark.parametrize("encrypted", [False, True])
async def test_arrival_is_when_the_kernel_got_the_bytes(
    encrypted: bool, server_tls: ssl.SSLContext, ca_file: Path
) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    script: list[Step] = [head, 0.1, chunk(b"late"), 0.4, chunk(b"")]
    with wire_server(script, tls=server_tls if encrypted else None) as server:
        scheme = "https" if encrypted else "http"
        where = target(f"{scheme}://localhost:{server.port}", tls={"ca_file": ca_file})
        exchange = Exchange()
        async with connections_to(where) as connections:
            request = httpx.Request("GET", where.endpoint, extensions={EXCHANGE: exchange})
            async with connections.transport(fresh=False) as transport:
                answer = await transport.handle_async_request(request)
                time.sleep(0.3)  # noqa: ASYNC251 - the loop is busy while the bytes arrive
                async for _ in answer.aiter_raw():
                    break
                assert exchange.arrival is not None
                read_late = exchange.arrival.lag
                arrived = exchange.arrival.at
                await answer.aclose()
    assert read_late is not None
    assert read_late / 1e9 > 0.1
    assert 0 <= (arrived - server.sent_at[1]) / 1e9 < 0.02


async def late_parts(script: Sequence[Step]) -> list[Part]:
    """Return the parts of an answer that a blocked loop couldn't read for the first 0.4 s."""
    with wire_server([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *script]) as server:
        async with connections_to(target(server.url)) as connections:
            request = httpx.Request("GET", server.url, extensions={EXCHANGE: Exchange()})
            async with connections.transport(fresh=False) as transport:
                answer = await transport.handle_async_request(request)
                time.sleep(0.4)  # noqa: ASYNC251 - the loop is busy while the bytes arrive
                parts: list[Part] = []

                def keep(part: Part) -> bool:
                    parts.append(part)
                    return False

                await Body.of(answer).drain(keep)
    assert b"".join(part.data for part in parts) == b"first second"
    return [part for part in parts if not part.arrival.is_prompt]


@timed
async def test_the_last_byte_of_a_late_read_is_a_part_of_its_own() -> None:
    """Only the last byte has the kernel's timestamp. Earlier arrivals are less certain."""
    late = await late_parts([0.1, chunk(b"first "), 0.1, chunk(b"second"), 1.0, LAST_CHUNK])
    assert [part.data for part in late if part.ends_read] == [b"d"]


@timed
async def test_the_empty_chunk_that_ends_a_body_may_have_a_stamp_of_its_own() -> None:
    """Servers send it separately, and can be descheduled before they do."""
    late = await late_parts([0.1, chunk(b"first "), 0.1, chunk(b"second"), 0.05, LAST_CHUNK])
    assert late
    assert not any(part.ends_read for part in late)


async def test_a_large_request_is_sent_whole(server_tls: ssl.SSLContext, ca_file: Path) -> None:
    body = b"x" * 3_000_000
    with wire_server([OK], tls=server_tls) as server:
        where = target(f"https://localhost:{server.port}", tls={"ca_file": ca_file})
        async with connections_to(where) as connections:
            request = httpx.Request(
                "POST", where.endpoint, content=body, extensions={EXCHANGE: Exchange()}
            )
            async with connections.transport(fresh=False) as transport:
                answer = await transport.handle_async_request(request)
                await answer.aread()
    assert server.requests[0].endswith(body)


async def test_retired_connections_outlive_the_request_that_uses_them() -> None:
    with wire_server([0.2, OK]) as server:
        connections = Connections(target(server.url))
        request = asyncio.create_task(fetch(connections, Exchange()))
        await asyncio.sleep(0.05)
        await connections.retire()
        assert await request == b"hello"


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


async def test_a_proxy_of_the_environment_is_used(no_proxies: pytest.MonkeyPatch) -> None:
    with wire_server([OK]) as proxy:
        no_proxies.setenv("HTTP_PROXY", f"http://user:pass-word@127.0.0.1:{proxy.port}")
        no_proxies.setenv("http_proxy", f"http://user:pass-word@127.0.0.1:{proxy.port}")
        async with connections_to(target("http://somewhere.invalid/v1")) as connections:
            assert await fetch(connections, Exchange()) == b"hello"
    assert proxy.requests[0].startswith(b"GET http://somewhere.invalid/v1 HTTP/1.1")
    assert b"proxy-authorization: basic " in proxy.requests[0].lower()


async def test_tls_goes_through_a_proxy_in_a_tunnel(no_proxies: pytest.MonkeyPatch) -> None:
    refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"
    with wire_server([refusal]) as proxy:
        no_proxies.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        async with connections_to(target("https://somewhere.invalid/v1")) as connections:
            with pytest.raises(NetworkFailure) as failure:
                await fetch(connections, Exchange())
    assert proxy.requests[0].startswith(b"CONNECT somewhere.invalid:443 HTTP/1.1")
    assert failure.value.reason is FailureReason.CONNECT
    assert "403" in str(failure.value)


@pytest.mark.parametrize(
    ("no_proxy", "url", "proxied"),
    [
        ("", "http://api.example.com/v1", True),
        ("example.com", "http://api.example.com/v1", False),
        ("*", "http://api.example.com/v1", False),
        ("other.com", "http://api.example.com/v1", True),
    ],
)
def test_no_proxy_is_honoured(
    no_proxies: pytest.MonkeyPatch, no_proxy: str, url: str, proxied: bool
) -> None:
    no_proxies.setenv("http_proxy", "http://proxy.example:3128")
    no_proxies.setenv("no_proxy", no_proxy)
    assert (proxy_for(url) is not None) is proxied


async def test_an_ipv6_address_that_cannot_be_reached_is_named_in_brackets(
    no_proxies: pytest.MonkeyPatch,
) -> None:
    no_proxies.setenv("no_proxy", "*")
    async with connections_to(target("http://[::1]:9/v1")) as connections:
        with pytest.raises(NetworkFailure, match=r"^cannot connect to \[::1\]:9: "):
            await fetch(connections, Exchange())


def test_a_socks_proxy_is_refused_with_its_reason(no_proxies: pytest.MonkeyPatch) -> None:
    no_proxies.setenv("all_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(NetworkFailure, match="socks5"):
        proxy_for("http://api.example.com")


def test_equal_settings_share_one_context(tmp_path: Path) -> None:
    assert tls_context(TlsSettings()) is tls_context(TlsSettings())


@pytest.mark.parametrize(("sent", "answered", "expected"), [(5, 9, 5), (9, 5, 5), (None, 5, 5)])
def test_nothing_is_sent_after_its_answer_came(
    sent: int | None, answered: int, expected: int
) -> None:
    """Otherwise, a process that was descheduled while it sent would measure a negative time."""
    exchange = Exchange(sent=sent)
    exchange.was_answered(answered)
    assert exchange.sent == expected


async def test_a_kept_connection_does_not_keep_its_first_request() -> None:
    with wire_server([OK]) as server:
        async with connections_to(target(server.url)) as connections:
            await asyncio.create_task(fetch(connections, Exchange()))
            await asyncio.sleep(0)  # the loop itself releases the task
            gc.collect()
            assert not any(isinstance(found, Exchange) for found in gc.get_objects())
