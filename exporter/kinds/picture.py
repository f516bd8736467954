"""Images for prompts: a generated image of a random number, or an image from a file."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, WithJsonSchema

from exporter.providers.asks import Picture
from exporter.settings.files import read_bytes
from exporter.settings.mistakes import ConfigError, Mistake
from exporter.settings.paths import loaded_by

PNG = "image/png"
_MAX_FILE_BYTES = 3 << 20
"""Every provider accepts this size as base64."""
_FORMATS = ((b"\x89PNG\r\n\x1a\n", PNG), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))

DIGITS = 5
_SCALE = 12
_MARGIN = 2
_GLYPHS = {
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00010 00100 01000 11111",
    "3": "11111 00010 00100 00010 00001 10001 01110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00010 01100",
}


def code_of(nonce: str) -> str:
    """The number that belongs to a nonce. It doesn't start with 0."""
    span = 9 * 10 ** (DIGITS - 1)
    return str(10 ** (DIGITS - 1) + int.from_bytes(sha256(nonce.encode()).digest()) % span)


def drawn(code: str) -> bytes:
    """The digits as a PNG, black on white."""
    rows = ["0".join(_GLYPHS[digit].split()[line] for digit in code) for line in range(7)]
    width = len(rows[0]) + 2 * _MARGIN
    edge = ["0" * width] * _MARGIN
    full = [*edge, *(f"{'0' * _MARGIN}{row}{'0' * _MARGIN}" for row in rows), *edge]
    lines = [
        b"\0" + b"".join((b"\0" if bit == "1" else b"\xff") * _SCALE for bit in row)
        for row in full
        for _ in range(_SCALE)
    ]
    header = struct.pack(">IIBBBBB", width * _SCALE, len(full) * _SCALE, 8, 0, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"IDAT", zlib.compress(b"".join(lines))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, *zip(*chunks, strict=True)))


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A file, and the image that it contained when the configuration was loaded."""

    path: Path
    picture: Picture


def load_picture(path: Path) -> PictureFile:
    """Load an image file.

    :raises ConfigError: it cannot be read, or has no image format that providers accept.
    """
    data = read_bytes(path, _MAX_FILE_BYTES)
    if (media_type := _media_type(data)) is None:
        raise ConfigError([Mistake("is not a picture; use PNG, JPEG, GIF or WebP", path)])
    return PictureFile(path, Picture(data, media_type))


def _media_type(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _FORMATS if data.startswith(start)), None)


_from_file = loaded_by(PictureFile, load_picture)

Image = Annotated[
    Literal["code"] | PictureFile,
    BeforeValidator(lambda value: value if value == "code" else _from_file(value)),
    WithJsonSchema({"type": "string"}),
]
"""``code``, or the path of an image, which is read when the configuration is loaded."""


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
