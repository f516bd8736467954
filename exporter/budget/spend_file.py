"""A file that remembers what was spent today, so that a restart does not spend it again.

A file, and not Prometheus: the budget must hold while Prometheus is down, before it has scraped
anything, and whatever it still keeps.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exporter.budget.spending import Day
from exporter.settings.files import check_regular, regular_bytes

MAX_FILE_BYTES = 4 << 20
_MAX_USD = 10**12
"""No day costs so much, and arithmetic has its limits."""


class SpendFileError(Exception):
    """The file cannot be read or written; ``str`` says why."""


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid")

    day: date
    usd: dict[str, Annotated[Decimal, Field(ge=0, le=_MAX_USD, allow_inf_nan=False)]]


def read_day(path: Path) -> Day | None:
    """The day in a file; ``None`` where there is no file yet.

    :raises SpendFileError: it cannot be read, or holds something else.
    """
    try:
        state = _State.model_validate_json(regular_bytes(path, MAX_FILE_BYTES))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SpendFileError(f"{path}: {error.strerror}") from None
    except ValidationError:
        raise SpendFileError(f"{path}: holds no spend that this exporter has written") from None
    return Day(state.day, state.usd)


def write_day(path: Path, day: Day) -> None:
    """Put a day in place of what is in the file, so that a reader, or a crash, finds either the
    old or the new.

    :raises SpendFileError: it cannot be written.
    """
    content = _State(day=day.date, usd=dict(day.usd)).model_dump_json(indent=2)
    try:
        _replace(_replaceable(path), content.encode())
    except OSError as error:
        raise SpendFileError(f"{path}: {error.strerror}") from None


def _replaceable(path: Path) -> Path:
    """The file itself, behind all links.

    :raises OSError: it is there, and no regular file.
    """
    file = Path(os.path.realpath(path))
    with suppress(FileNotFoundError):
        check_regular(file)
    return file


def _replace(path: Path, content: bytes) -> None:
    # The new file must be on the same file system as the old one: only the folder is sure.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        with suppress(OSError):
            Path(name).unlink()
        raise
