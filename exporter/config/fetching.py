"""Reads secrets without blocking the event loop: a network file system might not respond."""

from __future__ import annotations

from exporter.process.offload import Unanswered, offload
from exporter.settings.secret import Secret, SecretError

_PATIENCE_SECONDS = 5.0


async def fetch(secret: Secret) -> str:
    """Read the current value. A thread reads files, so that they can't block the loop.

    :raises SecretError: as ``Secret.read``, or the file system doesn't respond.
    """
    if secret.file is None:
        return secret.read()
    try:
        return await offload(secret, secret.read, _PATIENCE_SECONDS)
    except Unanswered:
        why = f"its file system did not respond within {_PATIENCE_SECONDS:g} s"
        raise SecretError(f"secret file {secret.file} cannot be read: {why}") from None
