"""Secrets, read from the environment or a file and never written anywhere."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from exporter.settings.files import regular_bytes
from exporter.settings.paths import FilePath
from exporter.settings.redaction import remember

_MAX_BYTES = 64 << 10
"""Longer than any header."""


class SecretError(Exception):
    """A secret can't be read. The message names the secret and the reason, but never the value."""


class Secret(BaseModel):
    """A reference to a secret value: ``{env: NAME}`` or ``{file: PATH}``."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    env: str | None = None
    """Name of the environment variable that holds the secret."""
    file: FilePath | None = None
    """File that contains only the secret. The exporter reads it for every probe."""

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
        """Read the current value. A rotated secret in a file takes effect with the next probe.

        :raises SecretError: the variable isn't set, the file is empty or can't be read, or the
            value can't be sent in an HTTP header.
        """
        value = _read_file(self.file) if self.file else self._read_env(self.env or "")
        remember(value)
        if not (value.isascii() and value.isprintable()):
            source = f"secret file {self.file}" if self.file else f"variable {self.env}"
            raise SecretError(f"{source} has more than one line or characters outside ASCII")
        return value

    @staticmethod
    def _read_env(name: str) -> str:
        value = os.environ.get(name, "").strip()
        if not value:
            raise SecretError(f"environment variable {name} is not set")
        return value


def _read_file(path: Path) -> str:
    try:
        content = regular_bytes(path, _MAX_BYTES + 1)
        value = content.decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SecretError(f"secret file {path} cannot be read: {reason}") from None
    if len(content) > _MAX_BYTES:
        raise SecretError(f"secret file {path} is longer than {_MAX_BYTES >> 10} KiB")
    if not value:
        raise SecretError(f"secret file {path} is empty")
    return value
