"""The client of the API server: its connections, and whom it trusts."""

from __future__ import annotations

import os
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from exporter.cluster.api import ApiError, KubernetesApi
from exporter.config.kubernetes import Kubernetes

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def client(api_server: str, folder: Path) -> KubernetesApi:
    settings = Kubernetes(
        api_server=api_server,
        namespace="default",
        token_file=folder / "token",
        ca_file=folder / "ca.crt",
    )
    return KubernetesApi(settings)


def ask(api: KubernetesApi) -> None:
    assert api.request("GET", "/api/v1/namespaces/default/pods", 30) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_kernel_notices_a_server_that_vanished(tmp_path: Path) -> None:
    """Otherwise, a watch would wait for minutes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        api = client(f"http://127.0.0.1:{listener.getsockname()[1]}", tmp_path)
        asking = threading.Thread(target=ask, args=(api,))
        asking.start()
        connection, address = listener.accept()
        connection.recv(1)  # the client sets its options before it sends anything
        with connection, closing(own_socket(address)) as sock:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle, gap, count, patience_ms = (
                sock.getsockopt(socket.IPPROTO_TCP, option)
                for option in (
                    socket.TCP_KEEPIDLE,
                    socket.TCP_KEEPINTVL,
                    socket.TCP_KEEPCNT,
                    socket.TCP_USER_TIMEOUT,
                )
            )
            connection.sendall(ANSWER)
        asking.join()
    assert idle + gap * count == patience_ms / 1000 == 20


def own_socket(address: tuple[str, int]) -> socket.socket:
    """Return a copy of this process's socket with this address."""
    for descriptor in Path("/proc/self/fd").iterdir():
        if descriptor.is_socket():
            sock = socket.socket(fileno=os.dup(int(descriptor.name)))
            if sock.getsockname() == address:
                return sock
            sock.close()
    raise AssertionError(f"no socket has the address {address}")


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.wfile.write(ANSWER)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


class Server:
    """An API server over TLS, which closes each connection after one answer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._server = HTTPServer(("127.0.0.1", 0), _Handler)
        self.url = f"https://127.0.0.1:{self._server.server_port}"

    def use(self, authority: trustme.CA) -> None:
        """Get the certificate of the next connections from this authority."""
        authority.issue_cert("127.0.0.1").configure_cert(self._context)

    def trust(self, authority: trustme.CA) -> None:
        """Put the authority into the CA file."""
        authority.cert_pem.write_to_path(self._folder / "ca.crt")

    @contextmanager
    def running(self) -> Iterator[None]:
        self._server.socket = self._context.wrap_socket(self._server.socket, server_side=True)
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


def test_a_rotated_ca_is_trusted_without_a_restart(tmp_path: Path) -> None:
    server, old, new = Server(tmp_path), trustme.CA(), trustme.CA()
    server.use(old)
    server.trust(old)
    api = client(server.url, tmp_path)
    with server.running():
        ask(api)
        server.use(new)
        with pytest.raises(ApiError, match="CERTIFICATE_VERIFY_FAILED"):
            ask(api)
        server.trust(new)
        ask(api)
        server.use(old)
        with pytest.raises(ApiError, match="CERTIFICATE_VERIFY_FAILED"):
            ask(api)


@pytest.mark.parametrize("content", [None, "", "not a certificate"])
def test_an_unusable_ca_file_changes_nothing(content: str | None, tmp_path: Path) -> None:
    server, authority = Server(tmp_path), trustme.CA()
    server.use(authority)
    server.trust(authority)
    api = client(server.url, tmp_path)
    if content is None:
        (tmp_path / "ca.crt").unlink()
    else:
        (tmp_path / "ca.crt").write_text(content)
    with server.running():
        ask(api)
