"""Idle, slow, numerous, and endless clients: the exporter still answers every request."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import httpx
import pytest

from exporter.config.web import Web
from exporter.metrics.registry import Metrics
from exporter.observation import Observation
from exporter.site import listener
from exporter.site.backend import Condition
from exporter.site.server import WebServer
from exporter.site.status import Status
from tests.process import eventually

LIMIT = 8
MANY = 5 * LIMIT


class Backend:
    """An exporter without targets."""

    lifecycle_enabled = True
    ready = True
    condition = Condition()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.metrics = Metrics()
        self.status = Status()
        self.loop = loop
        self.probes = 0

    async def probe_target(self, name: str) -> tuple[Observation, ...]:
        self.probes += 1
        raise KeyError(name)

    async def reload(self) -> None:
        return


@contextmanager
def serving(**web: object) -> Iterator[str]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    settings = Web.model_validate({"listen": "127.0.0.1:0", "max_connections": LIMIT, **web})
    server = WebServer(Backend(loop), settings)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def url() -> Iterator[str]:
    with serving() as url:
        yield url


def connect(url: str) -> socket.socket:
    parts = httpx.URL(url)
    return socket.create_connection((parts.host, parts.port or 0), timeout=20)


def status(url: str, path: str = "/-/healthy") -> int:
    return httpx.get(url + path, trust_env=False, timeout=20).status_code


def end_of(client: socket.socket) -> bytes:
    """Return everything until the server closes the connection."""
    data = b""
    try:
        while more := client.recv(65536):
            data += more
    except ConnectionError:
        pass
    return data


def test_a_response_does_not_wait_for_the_client_to_acknowledge_its_head() -> None:
    with (
        closing(listener.Listener(socket.create_server(("127.0.0.1", 0)), LIMIT)) as listening,
        socket.create_connection(listening.getsockname()),
    ):
        connection, _ = listening.accept()
        with closing(connection):
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("said", [b"", b"GET /-/healthy HTTP/1.1\r\nhost: "])
def test_idle_and_slow_clients_make_room_for_others(url: str, said: bytes) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(connect(url))) for _ in range(MANY)]
        for client in clients:
            with suppress(ConnectionError):  # the server has closed some already
                client.sendall(said)
        assert [status(url) for _ in range(5)] == [200] * 5
        assert end_of(clients[0]) == b""


def test_a_connection_that_was_used_stays_when_those_that_never_asked_must_go(url: str) -> None:
    with ExitStack() as stack:
        client = stack.enter_context(httpx.Client(trust_env=False, base_url=url))
        client.get("/-/healthy")
        for _ in range(3 * LIMIT):
            stack.enter_context(closing(connect(url)))
        stream = client.get("/-/healthy").extensions["network_stream"]
        assert stream.get_extra_info("socket").fileno() >= 0


@pytest.mark.parametrize(
    "pieces",
    [
        [b""],
        [b"GET / HTTP/1.1\r\n"],
        [b"G"] * 1000,
        [b"GET /-/healthy HTTP/1.1\r\nhost: x\r\n\r\n", b"G"],
        [b"\x16\x03\x01"],
    ],
)
def test_half_a_request_ends_with_the_time_for_it(
    pieces: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.site.listener.REQUEST_SECONDS", 0.3)
    monkeypatch.setattr("exporter.site.protocol.REQUEST_SECONDS", 0.3)
    with serving() as url, closing(connect(url)) as client:
        began = time.monotonic()
        try:
            for piece in pieces:
                client.sendall(piece)
                time.sleep(0.05)
        except ConnectionError:
            pass
        end_of(client)
        assert time.monotonic() - began < 20


def test_an_idle_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "IDLE_SECONDS", 0.3)
    with serving() as url, closing(connect(url)) as client:
        client.sendall(b"GET /-/healthy HTTP/1.1\r\nhost: x\r\n\r\n")
        assert end_of(client).endswith(b"healthy\n")


def test_an_unexpected_body_is_not_awaited(url: str) -> None:
    with closing(connect(url)) as client:
        client.sendall(
            b"POST /-/reload HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n" + b"x" * 999
        )
        assert end_of(client).startswith(b"HTTP/1.1 200")


def test_an_answer_that_nobody_reads_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.site.listener.READING_SECONDS", 0.3)
    with serving() as url, closing(connect(url)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asked = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 3000
        with suppress(ConnectionError):
            while True:
                client.sendall(asked)
        assert eventually(lambda: status(url)) == 200


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 20_000 + b"\r\n", b"400"),
        (b"BREW / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"405"),
        (b"DELETE /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"405"),
        (b"GET http://169.254.169.254/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"404"),
        (b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"40"),
        (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"404"),
        (b"GET /%00%ff HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"404"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/2.0\r\nhost: x\r\nconnection: close\r\n\r\n", b""),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"40"),
        (b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", b"200"),
    ],
)
def test_a_strange_request_is_answered_or_ended(url: str, request_: bytes, expected: bytes) -> None:
    with closing(connect(url)) as client:
        try:
            client.sendall(request_)
            answer = client.recv(65536)
        except ConnectionError:
            answer = b""
    assert not answer or answer.split()[1].startswith(expected)
    assert status(url) == 200


PATHS = ("/", "/metrics", "/probe?target=x", "/api/v1/targets", "/-/healthy", "/-/ready", "/none")


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_strict_headers(url: str, path: str) -> None:
    headers = httpx.get(url + path, trust_env=False).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "server" not in headers


@pytest.mark.parametrize(("method", "path"), [("GET", "/probe?target=x"), ("POST", "/-/reload")])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_page_can_have_nothing_done(
    url: str, method: str, path: str, site: str
) -> None:
    headers = {"Sec-Fetch-Site": site}
    asked = httpx.request(method, url + path, headers=headers, trust_env=False)
    assert asked.status_code == 403
    asked = httpx.request(method, url + path, headers={"Sec-Fetch-Site": "none"}, trust_env=False)
    assert asked.status_code in (200, 404)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://evil.example:9850"])
def test_a_page_of_another_site_is_refused_by_its_origin(url: str, origin: str) -> None:
    """Browsers send no Sec-Fetch-Site to plain http URLs."""
    asked = httpx.post(f"{url}/-/reload", headers={"Origin": origin}, trust_env=False)
    assert asked.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://exporter:9850", "Host": "exporter:9850"},
        {"Origin": "https://monitoring.example", "X-Forwarded-Host": "monitoring.example"},
        {"Origin": "http://mon.example", "X-Forwarded-Host": "Mon.example, inner:8080"},
        {"Origin": "http://mon.example:9850", "Host": "MON.example:9850"},
        {"Origin": "https://monitoring.example", "Sec-Fetch-Site": "same-origin"},
    ],
    ids=[
        "no browser",
        "own page",
        "own page behind a proxy",
        "own page behind two proxies",
        "own page with capitals",
        "own page with https",
    ],
)
def test_the_own_page_is_not_refused(url: str, headers: dict[str, str]) -> None:
    asked = httpx.post(f"{url}/-/reload", headers=headers, trust_env=False)
    assert asked.status_code == 200


@pytest.mark.parametrize("forwarded", ["", ",", "inner:8080, evil.example"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
def test_another_sites_page_is_refused_behind_a_proxy(
    url: str, forwarded: str, origin: str
) -> None:
    headers = {"Origin": origin, "X-Forwarded-Host": forwarded}
    assert httpx.post(f"{url}/-/reload", headers=headers, trust_env=False).status_code == 403


def test_a_client_that_does_not_read_takes_little_memory_of_the_kernel() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    with (
        closing(listener.Listener(listening, LIMIT)) as limited,
        closing(socket.create_connection(limited.getsockname())),
        closing(limited.accept()[0]) as accepted,
    ):
        size = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    assert size <= 2 * listener.SEND_BUFFER_BYTES


def test_probe_can_be_off() -> None:
    with serving(enable_probe=False) as url:
        assert status(url, "/probe?target=x") == 403
    with serving() as url:
        assert status(url, "/probe?target=x") == 404
