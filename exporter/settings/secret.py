"""Secrets: read from the environment or a file, never written anywhere.

Every value that was ever read is remembered here, so that ``redact`` can take it out of any
text that leaves the process, even when a provider echoes it back.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from exporter.settings.paths import FilePath

REDACTED = "[secret]"
_MIN_LENGTH = 4
"""Shorter values are not redacted: they would blank out innocent text everywhere."""

_known: set[str] = set()
_forms: list[str] = []
"""What is taken out: in lower case, the longest first."""


class SecretError(Exception):
    """A secret cannot be read; the message says which and why, never a value."""


class Secret(BaseModel):
    """A reference to a secret value: ``{env: NAME}`` or ``{file: PATH}``."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    env: str | None = None
    """Name of the environment variable that holds the value."""
    file: FilePath | None = None
    """File that holds nothing but the value; it is read again for every probe."""

    @model_validator(mode="before")
    @classmethod
    def _is_a_reference(cls, value: object) -> object:
        if not isinstance(value, dict | Secret):
            raise ValueError(
                "secrets are never values in the file; use {env: NAME} or {file: PATH}"
            )
        return value

    @field_validator("env")
    @classmethod
    def _is_a_name(cls, env: str | None) -> str | None:
        if env is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", env):
            raise ValueError("must be the name of an environment variable, not its value")
        return env

    @model_validator(mode="after")
    def _exactly_one_source(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("set exactly one of env and file")
        return self

    def read(self) -> str:
        """The value as it is now: a file is read again every time, so that a rotated secret
        is taken up with the next probe.

        :raises SecretError: the variable is not set, the file is empty or not readable, or the
            value cannot stand in an HTTP header.
        """
        value = self._read_file(self.file) if self.file else self._read_env(self.env or "")
        remember(value)
        if not (value.isascii() and value.isprintable()):
            source = f"secret file {self.file}" if self.file else f"variable {self.env}"
            raise SecretError(f"{source} holds more than one line, or characters outside ASCII")
        return value

    @staticmethod
    def _read_env(name: str) -> str:
        value = os.environ.get(name, "").strip()
        if not value:
            raise SecretError(f"environment variable {name} is not set")
        return value

    @staticmethod
    def _read_file(path: Path) -> str:
        try:
            value = path.read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise SecretError(f"secret file {path} cannot be read: {reason}") from None
        if not value:
            raise SecretError(f"secret file {path} is empty")
        return value


def remember(value: str) -> None:
    """Redact this value, and the forms it may come back in, from now on."""
    if len(value) < _MIN_LENGTH or value in _known:
        return
    forms = {value, quote(value, safe=""), json.dumps(value)[1:-1], *_in_base64(value.encode())}
    _known.add(value)
    _forms[:] = sorted({*_forms, *(form.lower() for form in forms)}, key=len, reverse=True)


def _in_base64(value: bytes) -> Iterator[str]:
    """How the value looks inside encoded text: groups of three bytes may begin at any of its own,
    and characters that its neighbours have a part in are left out."""
    for before, shared in enumerate((0, 2, 3)):
        padded = bytes(before) + value
        whole = slice(shared, len(padded) * 8 // 6)
        yield base64.b64encode(padded).decode()[whole]
        yield base64.urlsafe_b64encode(padded).decode()[whole]


def redact(text: str) -> str:
    """The text with every known secret taken out, be it in upper or lower case."""
    lowered = text.lower()
    for form in tuple(_forms):  # another thread may add some
        if form in lowered:
            text = re.sub(re.escape(form), REDACTED, text, flags=re.IGNORECASE)
            lowered = text.lower()
    return text
