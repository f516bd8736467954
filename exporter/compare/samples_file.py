"""Raw samples as JSON lines: a header that describes the comparison, then one sample per line.

Each line is written as soon as its probe has ended, so that an interrupted comparison can continue
and a report can be repeated at any time.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import TextIO

from pydantic import TypeAdapter, ValidationError

from exporter.compare.errors import CompareError
from exporter.compare.sample import Sample
from exporter.compare.subject import Evidence, Subject

FORMAT = "inference-exporter compare 1"

_SUBJECT = TypeAdapter(Subject)
_SAMPLE = TypeAdapter(Sample)
_DEFAULTS = {field.name: field.default for field in fields(Sample)}


class SamplesError(CompareError):
    """The file cannot be used; the message says why and what to do."""


def read(path: Path) -> Evidence:
    """The whole file; a last line that was not written to its end is passed over.

    :raises SamplesError: it cannot be read, or is no such file.
    """
    try:
        first, *lines = _whole_lines(path.read_bytes()).decode().splitlines()
        head = json.loads(first)
        if not isinstance(head, dict) or head.pop("format", None) != FORMAT:
            raise ValueError("no such format")
        subject = _SUBJECT.validate_python(head)
    except OSError as error:
        raise SamplesError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise SamplesError(
            f"{path}: is no file of samples; `compare --samples FILE` writes such files"
        ) from None
    return Evidence(
        subject, tuple(_sample(path, number, line) for number, line in enumerate(lines, 2))
    )


def _whole_lines(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1]


def _sample(path: Path, number: int, line: str) -> Sample:
    try:
        return _SAMPLE.validate_json(line)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        raise SamplesError(f"{path}:{number}: no sample: {wrong['msg']}; remove the line") from None


class Recorder:
    """Appends samples to a file; use it with ``with``."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    @classmethod
    def begin(cls, path: Path, subject: Subject) -> Recorder:
        """A new file.

        :raises SamplesError: it exists or cannot be written.
        """
        try:
            recorder = cls(path.open("x", encoding="utf-8"))
        except OSError as error:
            raise SamplesError(f"{path}: cannot be written: {error.strerror}") from None
        recorder._write({"format": FORMAT, **asdict(subject)})
        return recorder

    @classmethod
    def take_up(cls, path: Path) -> Recorder:
        """A file that was begun before; half a line at its end is removed.

        :raises SamplesError: it cannot be written.
        """
        try:
            with path.open("r+b") as file:
                file.truncate(len(_whole_lines(file.read())))
            return cls(path.open("a", encoding="utf-8"))
        except OSError as error:
            raise SamplesError(f"{path}: cannot be written: {error.strerror}") from None

    def add(self, sample: Sample) -> None:
        """Write a sample so that it survives this process.

        :raises SamplesError: it cannot be written.
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
        self._file.close()
