"""Raw samples as JSON lines: a header that describes the comparison, then one sample per line.

Each line is written as soon as its probe ends. You can therefore continue an interrupted comparison
and create a report again at any time.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import TextIO

from pydantic import TypeAdapter, ValidationError

from exporter.compare.errors import CompareError
from exporter.compare.sample import Sample
from exporter.compare.subject import Evidence, Subject

FORMAT = "inference-exporter compare 1"

_TOO_LARGE = 1e11
"""More than any duration, cost, or time in Unix seconds."""
_SUBJECT = TypeAdapter(Subject)
_SAMPLE = TypeAdapter(Sample)
_DEFAULTS = {field.name: field.default for field in fields(Sample)}


class SamplesError(CompareError):
    """The file can't be used. The message gives the reason and what to do."""


def read(path: Path) -> Evidence:
    """Read a whole file, except for an incomplete last line.

    :raises SamplesError: the file can't be read or isn't a samples file.
    """
    try:
        first, *lines = _whole_lines(path.read_bytes()).decode().splitlines()
        head = json.loads(first)
        if not isinstance(head, dict) or head.pop("format", None) != FORMAT:
            raise ValueError("unknown format")
        subject = _SUBJECT.validate_python(head)
    except OSError as error:
        raise SamplesError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise SamplesError(
            f"{path}: is not a samples file; `compare --samples FILE` writes such files"
        ) from None
    return Evidence(
        subject, tuple(_sample(path, number, line) for number, line in enumerate(lines, 2))
    )


def _whole_lines(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1]


def _sample(path: Path, number: int, line: str) -> Sample:
    try:
        sample = _SAMPLE.validate_json(line)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise SamplesError(f"{path}:{number}: not a sample: {wrong}; remove the line") from None
    for name, value in asdict(sample).items():
        if isinstance(value, int | float) and not 0 <= value < _TOO_LARGE:
            raise SamplesError(f"{path}:{number}: not a sample: {name} is {value}; remove the line")
    return sample


class Recorder:
    """Appends samples to a file; use it with ``with``."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    @classmethod
    def begin(cls, path: Path, subject: Subject) -> Recorder:
        """Create a file.

        :raises SamplesError: the file exists or can't be written.
        """
        try:
            recorder = cls(path.open("x", encoding="utf-8"))
        except OSError as error:
            raise SamplesError(f"{path}: cannot be written: {error.strerror}") from None
        recorder._write({"format": FORMAT, **asdict(subject)})
        return recorder

    @classmethod
    def take_up(cls, path: Path) -> Recorder:
        """Continue an existing file; remove an incomplete line at its end.

        :raises SamplesError: the file can't be written.
        """
        try:
            with path.open("r+b") as file:
                file.truncate(len(_whole_lines(file.read())))
            return cls(path.open("a", encoding="utf-8"))
        except OSError as error:
            raise SamplesError(f"{path}: cannot be written: {error.strerror}") from None

    def add(self, sample: Sample) -> None:
        """Write a sample and flush it, so that it survives this process.

        :raises SamplesError: the sample can't be written.
        """
        values = asdict(sample)
        self._write({name: v for name, v in values.items() if v != _DEFAULTS[name]})

    def _write(self, document: dict[str, object]) -> None:
        try:
            self._file.write(json.dumps(document) + "\n")
            self._file.flush()
        except OSError as error:
            raise SamplesError(f"{self._file.name}: cannot be written: {error.strerror}") from None

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # if a write failed, ``add`` said so; closing tries it again
            self._file.close()
