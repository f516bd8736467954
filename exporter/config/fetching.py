"""Secrets, read without holding up the event loop: a network file system may not answer."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

from exporter.settings.secret import Secret, SecretError

_PATIENCE_SECONDS = 5.0

_under_way: dict[Secret, Future[str]] = {}


async def fetch(secret: Secret) -> str:
    """The value as it is now. A file is read by a thread of its own, for which the end of the
    process does not wait; while one is held up, everybody who wants this file waits for that one.

    :raises SecretError: as ``Secret.read``, or its file system does not answer.
    """
    if secret.file is None:
        return secret.read()
    reading = _under_way.get(secret) or _begin(secret)
    try:
        return await asyncio.wait_for(
            asyncio.shield(asyncio.wrap_future(reading)), _PATIENCE_SECONDS
        )
    except TimeoutError:
        why = f"its file system has not answered for {_PATIENCE_SECONDS:g} s"
        raise SecretError(f"secret file {secret.file} cannot be read: {why}") from None


def _begin(secret: Secret) -> Future[str]:
    reading = _under_way[secret] = Future()
    thread = threading.Thread(target=_read, args=(secret, reading), name="secret", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # there are no more threads
        _read(secret, reading)
    return reading


def _read(secret: Secret, reading: Future[str]) -> None:
    try:
        value = secret.read()
    except SecretError as error:
        _under_way.pop(secret, None)
        reading.set_exception(error)
    else:
        _under_way.pop(secret, None)
        reading.set_result(value)
