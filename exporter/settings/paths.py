"""Paths in the configuration, relative to the file that contains them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BeforeValidator

from exporter.settings.mistakes import ConfigError, WrongFile

T = TypeVar("T")


class FileText(str):
    """Text from a file; remembers the folder of that file."""

    __slots__ = ("folder",)
    folder: Path

    def __new__(cls, text: str, folder: Path) -> FileText:
        self = super().__new__(cls, text)
        self.folder = folder
        return self


def folder_of(text: str) -> Path:
    """What a relative path is relative to: the folder of its file, else the working folder."""
    return text.folder if isinstance(text, FileText) else Path()


def resolve(value: object) -> object:
    """The path that a text names; anything else is left for the type to judge.

    :raises ValueError: the text is empty.
    """
    if not isinstance(value, str):
        return value
    if not value.strip() or "\0" in value:
        raise ValueError("must be the path of a file")
    return folder_of(value) / value


FilePath = Annotated[Path, BeforeValidator(resolve)]


def loaded_by(kind: type[T], load: Callable[[Path], T]) -> Callable[[object], object]:
    """A validator that puts in place of a path what is in the file: something of this kind."""

    def validate(value: object) -> object:
        if isinstance(value, kind):
            return value
        path = resolve(value)
        if not isinstance(path, Path):
            raise ValueError("must be the path of a file")
        try:
            return load(path)
        except ConfigError as error:
            raise WrongFile(error.mistakes) from None

    return validate
