"""A small picture of a number that nobody has asked about before, made on the spot."""

from __future__ import annotations

import struct
import zlib
from hashlib import sha256

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
    """The number that belongs to a nonce; it does not begin with 0."""
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


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
