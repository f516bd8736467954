"""Paths in the configuration: relative ones belong to the file in which they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator


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
