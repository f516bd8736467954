"""Files with the past answers that new ones are compared with, so that a change during a restart is
detected too.

Each probe that compares answers has its own file, so that a broken file affects only that probe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from exporter.config.plan import Plan
from exporter.metrics.behaviour import Remembered
from exporter.settings.files import regular_bytes, replace_bytes, set_aside

MAX_FILE_BYTES = 16 << 20
"""More than twice the size of 64 prompts with 96 answers each and ten tokens per answer."""
_MAX_DIMENSIONS = 1 << 17


class PastFileError(Exception):
    """A file can't be read or written. ``str`` gives the reason."""


@dataclass(frozen=True, slots=True)
class Past:
    """Everything that one probe has learned so far."""

    asked: str
    """A digest of the questions, because other questions have other answers."""
    behaviour: Remembered
    direction: Annotated[
        tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Field(max_length=_MAX_DIMENSIONS)
    ] = field(default=(), repr=False)
    """The vector of the first text, when it was first embedded."""
    version: Literal[1] = 1


_PAST = TypeAdapter(Past)


def asked_by(plan: Plan) -> str:
    """Return a digest of what a probe asks, and whom.

    Default values don't count, so that a new setting in a later version doesn't change the digest.
    """
    asked = plan.probe.model_dump_json(exclude_defaults=True, exclude={"interval"})
    return sha256("\n".join((*plan.identity, asked)).encode()).hexdigest()


def past_file(folder: Path, labels: Mapping[str, str]) -> Path:
    """Return the path of the file for the probe with these labels."""
    named = "\n".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return folder / f"{sha256(named.encode()).hexdigest()[:32]}.past.json"


def read_past(file: Path) -> Past | None:
    """Read a file. Return ``None`` if it doesn't exist.

    A file with other content is renamed: ``.broken`` is appended to its name.

    :raises PastFileError: the file can't be read, or has other content.
    """
    try:
        return _PAST.validate_json(regular_bytes(file, MAX_FILE_BYTES))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PastFileError(f"{file}: {error.strerror}") from None
    except ValidationError:
        raise PastFileError(f"{file}: invalid file, kept as {set_aside(file).name}") from None


def write_past(file: Path, past: Past) -> None:
    """Replace the content of a file.

    :raises PastFileError: the file can't be written.
    """
    try:
        replace_bytes(file, _PAST.dump_json(past))
    except OSError as error:
        raise PastFileError(f"{file}: {error.strerror}") from None
