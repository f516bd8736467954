"""Runs before every request: basic authentication, response headers, renewed certificates."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import ssl

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.site.toolkit_file import WebConfigFile

_BCRYPT_LENGTH = 72  # bcrypt reads no further, and bcrypt 5 refuses to
_STRICT = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Pages can override these headers; ``http_server_config.headers`` come last."""
_UNAUTHORIZED = PlainTextResponse(
    "user name and password needed\n",
    status_code=401,
    headers={"WWW-Authenticate": 'Basic realm="inference-exporter", charset="UTF-8"'},
)


class ReloadingContext(ssl.SSLContext):
    """Uses the file's current TLS settings for every new connection."""

    def __new__(cls, _file: WebConfigFile) -> ReloadingContext:
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, file: WebConfigFile) -> None:
        self._file = file

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        context = self._file.current().tls
        if context is None:
            raise ssl.SSLError("no TLS settings")
        return context.wrap_bio(incoming, outgoing, server_side=server_side)


class Guard:
    """Lets a request through to the application if the web configuration allows it.

    As in Prometheus' exporter-toolkit, authentication covers every path, including health checks.
    """

    def __init__(self, app: ASGIApp, file: WebConfigFile) -> None:
        self._app = app
        self._file = file
        self._passwords = PasswordCheck()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        config = self._file.current().config
        extra = config.http_server_config.headers

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _STRICT.items():
                    headers.setdefault(name, value)
                headers.update(extra)
            await send(message)

        users = config.basic_auth_users
        given = Headers(scope=scope).get("Authorization", "")
        allowed = not users or await self._passwords.allow(users, given)
        await (self._app if allowed else _UNAUTHORIZED)(scope, receive, send_with_headers)


class PasswordCheck:
    """Checks basic authentication against bcrypt hashes.

    A hash takes tens of milliseconds by design. Checks run in a worker thread, one at a time, so
    that guessing passwords can't use up the host. Results are cached, so that scrapes are cheap.
    """

    def __init__(self) -> None:
        self._verified: dict[str, bytes] = {}
        self._one_at_a_time = asyncio.Lock()

    async def allow(self, users: dict[str, str], authorization: str) -> bool:
        """Whether a header names one of the users and that user's password."""
        credentials = _parse(authorization)
        if credentials is None:
            return False
        user, password = credentials
        # An unknown user costs as much as a known one, or response times would tell them apart.
        hashed = users.get(user) or next(iter(users.values()))
        digest = hashlib.sha256(hashed.encode() + password).digest()
        if user in users and self._verified.get(user) == digest:
            return True
        async with self._one_at_a_time:
            matches = await asyncio.to_thread(_matches, password, hashed)
        if matches and user in users:
            self._verified[user] = digest
            return True
        return False


def _matches(password: bytes, hashed: str) -> bool:
    import bcrypt  # noqa: PLC0415  most exporters have no users

    return bcrypt.checkpw(password, hashed.encode())


def _parse(authorization: str) -> tuple[str, bytes] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).partition(b":")
        return (user.decode(), password[:_BCRYPT_LENGTH]) if colon else None
    except (binascii.Error, UnicodeDecodeError):
        return None
