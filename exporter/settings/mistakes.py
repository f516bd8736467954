"""Errors in a configuration, described for its author."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from exporter.settings.redaction.likely import without_likely_secrets

Location = tuple[str | int, ...]
"""The keys and list positions from the top of a file to a value."""


def dotted(location: Location) -> str:
    """Format a location, such as ``targets[0].timeouts.connect``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def as_written(location: Location, is_there: Callable[[Location], bool]) -> Location:
    """Leave out the parts that the validator adds, such as the member of a union.

    :param is_there: whether the configuration has a value at this location.
    """
    found: Location = ()
    for part in location:
        if is_there((*found, part)):
            found = (*found, part)
    return found


_LONGEST_NAME = 200
"""Limits the time for a comparison of names, which grows with the square of their length."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One error in the configuration."""

    message: str
    """What is wrong, and how to fix it."""
    file: Path | None = None
    """``None`` for an environment variable, whose name is then the ``key``."""
    line: int | None = None
    """The line, counted from 1; ``None`` if the file can't be read."""
    key: str = ""
    """The dotted path of the key, such as ``targets[0].timeouts.connect``."""

    def __str__(self) -> str:
        """Describe the error. A key that was pasted in the wrong place isn't shown."""
        line = "" if self.line is None else f":{self.line}"
        where = [] if self.file is None else [f"{self.file}{line}"]
        said = ": ".join([*filter(None, [self.key]), self.message])
        return ": ".join([*where, without_likely_secrets(said)])


class ConfigError(Exception):
    """The configuration can't be used. ``str`` lists every mistake on its own line."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


class WrongFile(ValueError):
    """Carries the mistakes of a referenced file through pydantic's validation."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(map(str, mistakes)))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest a fix for an unknown name."""
    names = list(dict.fromkeys(known))
    if near := nearest(name, names):
        return f"did you mean {near!r}?"
    return f"use one of {', '.join(names)}" if names else "remove it"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that the author most likely meant; ``None`` if none is close."""
    by_lower_case = {known_name.lower(): known_name for known_name in known}
    near = get_close_matches(name[:_LONGEST_NAME].lower(), by_lower_case, n=1)
    return by_lower_case[near[0]] if near else None
