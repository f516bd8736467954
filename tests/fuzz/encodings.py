"""A key, and the encodings in which others can send it back."""

from __future__ import annotations

import base64
import html
import json
import quopri
from collections.abc import Callable
from urllib.parse import quote, quote_plus

KEY = "sk-Ab3+9/Zq=x_Y7-pL0mN2vB5c/T8+eR1w"
Encode = Callable[[str], str]


def each_byte(form: str) -> Encode:
    return lambda text: "".join(form % byte for byte in text.encode())


def each(form: str) -> Encode:
    return lambda text: "".join(form % ord(character) for character in text)


def split_by(separator: str, size: int = 5) -> Encode:
    return lambda text: separator.join(
        text[start : start + size] for start in range(0, len(text), size)
    )


def in_base64(before: bytes = b"", after: bytes = b"") -> Encode:
    return lambda text: base64.b64encode(before + text.encode() + after).decode()


ENCODINGS: dict[str, Encode] = {
    "as it is": lambda text: text,
    "percent, Go's PathEscape": lambda text: quote(text, safe="/+="),
    "percent, Python's quote": quote,
    "percent, every reserved character": lambda text: quote(text, safe=""),
    "percent, a form": quote_plus,
    "percent throughout": each_byte("%%%02X"),
    "percent throughout, small letters": each_byte("%%%02x"),
    "percent, twice": lambda text: quote(quote(text, safe=""), safe=""),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, PHP's": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON, twice": lambda text: json.dumps(json.dumps(text.replace("/", "\\/")))[1:-1],
    "JSON, signs escaped": lambda text: text.replace("+", "\\u002B").replace("/", "\\u002f"),
    "JSON throughout": each("\\u%04x"),
    "JavaScript": each("\\u{%x}"),
    "Python": each_byte("\\x%02x"),
    "Python, 32 bits": each("\\U%08x"),
    "octal": each_byte("\\%03o"),
    "HTML": lambda text: html.escape(text).replace("/", "&#x2F;").replace("+", "&plus;"),
    "HTML, hexadecimal": each("&#x%X;"),
    "HTML, decimal": each("&#%d;"),
    "HTML, as browsers also read it": each("&#%03d"),
    "HTML, twice": lambda text: each("&#x%x;")(text).replace("&", "&amp;"),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal, capitals": lambda text: text.encode().hex().upper(),
    "hexadecimal, colons": lambda text: text.encode().hex(":"),
    "hexadecimal, spaces": lambda text: text.encode().hex(" "),
    "hexadecimal, bytes": lambda text: ", ".join(f"0x{byte:02x}" for byte in text.encode()),
    "base64": in_base64(),
    "base64, of URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64, of URLs without padding": lambda text: (
        base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    ),
    "base64, shifted by one": in_base64(b"a", b"tail"),
    "base64, shifted by two": in_base64(b"ab", b"more"),
    "base64, with a user": in_base64(b"user:"),
    "base64, wrapped": lambda text: base64.encodebytes(f"{'x' * 50}{text} tail".encode()).decode(),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "quoted-printable": lambda text: quopri.encodestring(text.encode()).decode(),
    "quoted-printable throughout": each_byte("=%02X"),
    "quoted-printable, wrapped": lambda text: quopri.encodestring(
        ("x" * 60 + text).encode()
    ).decode(),
    "lines": split_by("\n"),
    "lines of Windows": split_by("\r\n"),
    "spaces": split_by(" ", 1),
    "no-break spaces": split_by("\N{NO-BREAK SPACE}"),
    "tabs": split_by("\t"),
    "zero-width spaces": split_by("\N{ZERO WIDTH SPACE}"),
    "zero-width joiners": split_by("\N{ZERO WIDTH JOINER}", 1),
    "word joiners": split_by("\N{WORD JOINER}"),
    "byte order marks": split_by("\N{ZERO WIDTH NO-BREAK SPACE}"),
    "soft hyphens": split_by("\N{SOFT HYPHEN}"),
    "word breaks of HTML": split_by("<wbr>"),
    "line breaks of HTML": split_by("<br/>"),
}

NESTABLE = sorted(set(ENCODINGS) - {"base64 of UTF-16", "percent, a form"})
"""Encodings that are also found when nested. The others are found only on their own: one has zeros
between its letters, and the other has spaces that are no longer recognized as such."""
