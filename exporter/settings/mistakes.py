"""What is wrong with a configuration, in words for the one who wrote it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path


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
    names = list(known)
    by_lower_case = {known_name.lower(): known_name for known_name in names}
    if near := get_close_matches(name.lower(), by_lower_case, n=1):
        return f"did you mean {by_lower_case[near[0]]!r}?"
    return f"known are {', '.join(names)}" if names else "remove it"
