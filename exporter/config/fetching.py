"""Reads secrets without blocking the event loop: a network file system might not respond."""

from __future__ import annotations

from exporter.process.beside import Unanswered, beside
from exporter.settings.secret import Secret, SecretError

_PATIENCE_SECONDS = 5.0


async def fetch(secret: Secret) -> str:
    """The value as it is now. Files are read beside the loop.

    :raises SecretError: as ``Secret.read``, or its file system does not answer.
    """
    if secret.file is None:
        return secret.read()
    try:
        return await beside(secret, secret.read, _PATIENCE_SECONDS)
    except Unanswered:
        why = f"its file system has not answered for {_PATIENCE_SECONDS:g} s"
        raise SecretError(f"secret file {secret.file} cannot be read: {why}") from None
