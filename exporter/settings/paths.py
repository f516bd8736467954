"""Paths in the configuration, relative to the file that contains them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BeforeValidator

from exporter.settings.mistakes import ConfigError, WrongFile

T = TypeVar("T")


class FileText(str):
    """Text from a file. It remembers the folder of that file."""

    __slots__ = ("folder",)
    folder: Path

    def __new__(cls, text: str, folder: Path) -> FileText:
        self = super().__new__(cls, text)
        self.folder = folder
        return self


def folder_of(text: str) -> Path:
    """Return the base of a relative path: the folder of its file, or the working folder."""
    return text.folder if isinstance(text, FileText) else Path()


def resolve(value: object) -> object:
    """Convert a text to a path; leave other values for the type to reject.

    :raises ValueError: the text is empty or contains a null character.
    """
    if not isinstance(value, str):
        return value
    if not value.strip() or "\0" in value:
        raise ValueError("must be the path of a file")
    return folder_of(value) / value


FilePath = Annotated[Path, BeforeValidator(resolve)]


def loaded_by(kind: type[T], load: Callable[[Path], T]) -> Callable[[object], object]:
    """Return a validator that replaces a path by the loaded content of the file.

    :param kind: the type of the content.
    """

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
