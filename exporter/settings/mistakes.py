"""Errors in a configuration, in words for its author."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

Location = tuple[str | int, ...]
"""Keys and list positions that lead from the top of a file to a value."""


def dotted(location: Location) -> str:
    """``targets[0].timeouts.connect``"""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


_LONGEST_NAME = 200
"""Names are compared in time that grows with the square of their length."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake: where it stands and what to do about it."""

    message: str
    """What is wrong; what to do."""
    file: Path | None = None
    """``None`` where an environment variable is wrong: ``key`` is its name then."""
    line: int | None = None
    """Counted from 1; ``None`` where the file could not be read at all."""
    key: str = ""
    """The dotted path of the key, as in ``targets[0].timeouts.connect``."""

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}"
        where = [] if self.file is None else [f"{self.file}{line}"]
        return ": ".join([*where, *filter(None, [self.key]), self.message])


class ConfigError(Exception):
    """The configuration cannot be used. ``str`` gives every mistake, one on each line."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


class WrongFile(ValueError):
    """Carries the mistakes of a file that the configuration names through validation."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(map(str, mistakes)))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What to do about an unknown name."""
    names = list(dict.fromkeys(known))
    if near := nearest(name, names):
        return f"did you mean {near!r}?"
    return f"known are {', '.join(names)}" if names else "remove it"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that the author most likely meant."""
    by_lower_case = {known_name.lower(): known_name for known_name in known}
    near = get_close_matches(name[:_LONGEST_NAME].lower(), by_lower_case, n=1)
    return by_lower_case[near[0]] if near else None
