"""Files that remember what answers are compared with, so that a change that comes with a restart is
seen as well.

One file for each probe that compares, so that a broken one costs only its own past.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from exporter.config.plan import Plan
from exporter.metrics.behaviour import Remembered
from exporter.settings.files import regular_bytes, replace_bytes

MAX_FILE_BYTES = 16 << 20
"""64 prompts, 96 answers to each and ten tokens of each are less than half of it."""
_MAX_DIMENSIONS = 1 << 17


class PastFileError(Exception):
    """A file cannot be read or written; ``str`` says why."""


@dataclass(frozen=True, slots=True)
class Past:
    """What one probe has heard so far."""

    asked: str
    """What was asked, as a digest: other questions have other answers."""
    behaviour: Remembered
    direction: Annotated[
        tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Field(max_length=_MAX_DIMENSIONS)
    ] = field(default=(), repr=False)
    """The vector of the first text, when it was first embedded."""
    version: Literal[1] = 1


_PAST = TypeAdapter(Past)


def asked_by(plan: Plan) -> str:
    """A digest of what a probe asks, and whom. What is at its default does not count, so that a
    setting that a later version adds changes nothing."""
    asked = plan.probe.model_dump_json(exclude_defaults=True, exclude={"interval"})
    return sha256("\n".join((*plan.identity, asked)).encode()).hexdigest()


def past_file(folder: Path, labels: Mapping[str, str]) -> Path:
    """Where the past of the probe with these labels is kept."""
    named = "\n".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return folder / f"{sha256(named.encode()).hexdigest()[:32]}.past.json"


def read_past(file: Path) -> Past | None:
    """What a file holds; ``None`` where there is none yet. A file that holds something else is set
    aside, under the same name with ``.broken`` behind it.

    :raises PastFileError: it cannot be read, or was set aside.
    """
    try:
        return _PAST.validate_json(regular_bytes(file, MAX_FILE_BYTES))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PastFileError(f"{file}: {error.strerror}") from None
    except ValidationError:
        aside = file.with_name(f"{file.name}.broken")
        with suppress(OSError):
            file.replace(aside)
        raise PastFileError(f"{file}: holds no past, and is now {aside.name}") from None


def write_past(file: Path, past: Past) -> None:
    """Put a past in place of what is in the file.

    :raises PastFileError: it cannot be written.
    """
    try:
        replace_bytes(file, _PAST.dump_json(past))
    except OSError as error:
        raise PastFileError(f"{file}: {error.strerror}") from None
