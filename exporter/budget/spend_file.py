"""A file with today's spend, so that a restart doesn't spend it again.

It is a file and not Prometheus: the budget must hold while Prometheus is down, before its first
scrape, and regardless of its retention.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exporter.budget.spending import Day
from exporter.settings.files import regular_bytes, replace_bytes

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
        replace_bytes(path, content.encode())
    except OSError as error:
        raise SpendFileError(f"{path}: {error.strerror}") from None
