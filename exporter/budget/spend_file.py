"""A file with today's spend, so that a restart doesn't reset the budget.

The spend doesn't come from Prometheus, because a budget must hold while Prometheus is down, before
its first scrape, and regardless of its retention.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exporter.budget.spending import Day
from exporter.settings.files import regular_bytes, replace_bytes, set_aside

MAX_FILE_BYTES = 4 << 20
_MAX_USD = 10**12
"""More than any day can cost. Keeps decimal arithmetic within its limits."""


class SpendFileError(Exception):
    """The file can't be read or written. ``str`` gives the reason."""


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid")

    day: date
    usd: dict[str, Annotated[Decimal, Field(ge=0, le=_MAX_USD, allow_inf_nan=False)]]
    later: _State | None = None

    @classmethod
    def of(cls, day: Day) -> Self:
        later = None if day.later is None else cls.of(day.later)
        return cls(day=day.date, usd=dict(day.usd), later=later)

    def restored(self) -> Day:
        later = None if self.later is None else self.later.restored()
        return Day(self.day, self.usd, later)


def read_day(path: Path) -> Day | None:
    """Read the spend in a file; return ``None`` if the file doesn't exist.

    A file with other content is renamed: ``.broken`` is appended to its name.

    :raises SpendFileError: the file can't be read or isn't a spend file.
    """
    try:
        state = _State.model_validate_json(regular_bytes(path, MAX_FILE_BYTES))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SpendFileError(f"{path}: {error.strerror}") from None
    except ValidationError:
        why = f"is not a spend file of this exporter, kept as {set_aside(path).name}"
        raise SpendFileError(f"{path}: {why}") from None
    return state.restored()


def write_day(path: Path, day: Day) -> None:
    """Replace the content of the file atomically, even if the process crashes.

    :raises SpendFileError: the file can't be written.
    """
    content = _State.of(day).model_dump_json(indent=2, exclude_none=True)
    try:
        replace_bytes(path, content.encode())
    except OSError as error:
        raise SpendFileError(f"{path}: {error.strerror}") from None
