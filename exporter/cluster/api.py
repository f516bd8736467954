"""The few requests that the exporter sends to a Kubernetes API server.

A client library would add thousands of generated models and a second HTTP stack for three verbs.
Requests block, so they run in separate threads, away from the loop that reads streams.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from exporter.config.kubernetes import SERVICE_ACCOUNT, Kubernetes
from exporter.providers.base import ResponseHead
from exporter.providers.headers import retry_after_seconds
from exporter.settings.files import check_regular, regular_bytes
from exporter.settings.mistakes import ConfigError, Mistake
from exporter.settings.presentable import words_of
from exporter.settings.redaction import remember
from exporter.settings.url import authority

JsonObject = dict[str, Any]

_MAX_TOKEN_BYTES = 64 << 10
_MAX_CA_BYTES = 4 << 20
_MAX_MESSAGE = 300
_PAGE = 500
WATCH_SECONDS = 240
"""The server ends a watch after this time, and the next watch continues from there."""
_SILENCE_SECONDS = 270.0
"""The read timeout of a watch, for a server that doesn't end it."""
_VANISHED_SECONDS = 20
"""How long the API server's host can be silent before the kernel ends the connection."""
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2}
"""In seconds, except for the count. Together, they amount to ``_VANISHED_SECONDS``."""


class ApiError(Exception):
    """A request failed; the message is for the user."""

    def __init__(
        self, message: str, status: int | None = None, retry_after_seconds: float = 0.0
    ) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; ``None`` without a response."""
        self.retry_after_seconds = retry_after_seconds
        """How long the API server asks the client to wait; 0 if it doesn't say."""


class KubernetesApi:
    """A client of an API server, for use by one thread."""

    def __init__(self, settings: Kubernetes) -> None:
        """:raises ConfigError: the API server's address or its CA is unknown."""
        self._settings = settings
        self.namespace = settings.namespace or _own_namespace()
        self._base_url = settings.api_server or _own_api_server()
        self._ca = _ca(settings)
        self._client = self._new_client()

    def request(
        self, method: str, path: str, timeout_seconds: float, body: JsonObject | None = None
    ) -> JsonObject:
        """Send a request and return the response.

        :raises ApiError: there is no response, or it is an error.
        """
        try:
            answer = self._current().request(
                method, path, json=body, timeout=timeout_seconds, headers=self._headers()
            )
            if not answer.is_success:
                raise _refusal(answer)
            return _object(answer.content)
        except httpx.HTTPError as error:
            raise ApiError(f"the API server cannot be reached: {words_of(error)}") from error

    def list_all(self, path: str, selector: str) -> tuple[list[JsonObject], str]:
        """Return all objects with these labels, and the resource version to watch from.

        :raises ApiError: the list could not be read.
        """
        items: list[JsonObject] = []
        parameters: dict[str, str | int] = {"labelSelector": selector, "limit": _PAGE}
        while True:
            page = self.request("GET", f"{path}?{httpx.QueryParams(parameters)}", 30)
            items += page.get("items") or ()
            metadata = page["metadata"]
            if not metadata.get("continue"):
                return items, metadata["resourceVersion"]
            parameters["continue"] = metadata["continue"]

    def watch(self, path: str, selector: str, version: str) -> Iterator[tuple[str, JsonObject]]:
        """Yield the type and the object of each change since this version, until the server ends
        the watch.

        :raises ApiError: the watch failed. Status 410 means that the version is too old, and the
            caller must list again.
        """
        parameters: dict[str, str | int] = {
            "labelSelector": selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": WATCH_SECONDS,
        }
        timeout = httpx.Timeout(10, read=_SILENCE_SECONDS)
        try:
            with self._current().stream(
                "GET", path, params=parameters, timeout=timeout, headers=self._headers()
            ) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _refusal(answer)
                for line in answer.iter_lines():
                    event = _object(line)
                    if event["type"] == "ERROR":
                        raise _status_error(event["object"])
                    yield event["type"], event["object"]
        except httpx.HTTPError as error:
            raise ApiError(f"the watch was interrupted: {words_of(error)}") from error

    def _current(self) -> httpx.Client:
        """Return a client that trusts the CA file as it is now, because Kubernetes rotates it.

        While the file can't be used, its last usable content counts.
        """
        if (ca := _ca(self._settings)) not in (None, self._ca):
            with suppress(ConfigError):
                client = self._new_client()
                self._client.close()
                self._client, self._ca = client, ca
        return self._client

    def _new_client(self) -> httpx.Client:
        trust = _trust(self._settings)
        transport = httpx.HTTPTransport(trust, trust_env=False, socket_options=_socket_options())
        return httpx.Client(base_url=self._base_url, transport=transport, trust_env=False)

    def _headers(self) -> Mapping[str, str]:
        try:
            token = _text(self._settings.token_file)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            path = self._settings.token_file
            raise ApiError(f"token file {path} cannot be read: {why}") from error
        remember(token, passing=True)
        return {"Authorization": f"Bearer {token}"}


def _own_namespace() -> str:
    try:
        return _text(SERVICE_ACCOUNT / "namespace")
    except (OSError, ValueError):
        return "default"


def _text(path: Path) -> str:
    return regular_bytes(path, _MAX_TOKEN_BYTES).decode().strip()


def _own_api_server() -> str:
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{part}") for part in ("HOST", "PORT"))
    if not host or not port:
        message = "must be set outside a Kubernetes cluster, such as to http://127.0.0.1:8001"
        raise ConfigError([Mistake(message + " of kubectl proxy", key="kubernetes.api_server")])
    return f"https://{authority(host, port)}"


def _socket_options() -> list[tuple[int, int, int]]:
    """Make the kernel notice a peer that vanished without closing the connection."""
    in_tcp = {**_KEEPALIVE, "TCP_USER_TIMEOUT": _VANISHED_SECONDS * 1000}
    return [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *(
            (socket.IPPROTO_TCP, getattr(socket, name), value)
            for name, value in in_tcp.items()
            if hasattr(socket, name)  # macOS lacks some
        ),
    ]


def _ca(settings: Kubernetes) -> bytes | None:
    try:
        return regular_bytes(settings.ca_file, _MAX_CA_BYTES)
    except OSError:
        return None


def _trust(settings: Kubernetes) -> ssl.SSLContext:
    if not settings.ca_file.exists():
        return ssl.create_default_context()
    try:
        check_regular(settings.ca_file)
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        message = f"{settings.ca_file} cannot be read: {error.strerror or error}"
        raise ConfigError([Mistake(message, key="kubernetes.ca_file")]) from error


def _object(text: str | bytes) -> JsonObject:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ApiError("the API server's answer is not a JSON object")
    return value


def _refusal(answer: httpx.Response) -> ApiError:
    try:
        message = str(_object(answer.content)["message"])
    except (ApiError, KeyError):
        message = answer.reason_phrase
    head = ResponseHead(answer.status_code, answer.headers, datetime.now(UTC))
    return ApiError(
        f"{answer.status_code}: {message[:_MAX_MESSAGE]}",
        answer.status_code,
        retry_after_seconds(head) or 0.0,
    )


def _status_error(status: JsonObject) -> ApiError:
    return ApiError(str(status.get("message"))[:_MAX_MESSAGE], status.get("code"))
