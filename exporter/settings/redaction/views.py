"""Views of a text without escapes or without white space.

A view remembers its source, so that a match can be traced back to it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from html.entities import html5
from string import hexdigits

Span = tuple[int, int]
"""A start and an end position."""
Replace = Callable[[re.Match[bytes]], bytes] | bytes

_ESCAPE = rb"""
    %%(?:25)*  (?P<percent>[\da-fA-F]{2})
    | =  (?P<quoted_printable>[\dA-F]{2})
    | (?P<backslashes>(?:\\\\)+)
    | \\(?:
        x(?P<x>[\da-fA-F]{2})
        | u(?P<u4>[\da-fA-F]{4}) | U(?P<u8>[\da-fA-F]{8}) | u\{(?P<u>[\da-fA-F]{1,6})\}
        | (?P<octal>[0-3][0-7]{2}) | (?P<white>[nrtbfv])
        | (?P<itself>[^A-Za-z0-9&<%%=\\] | =(?![\dA-F]{2}|\s))
      )
    | &(?:amp;|\#38;|\#[xX]26;)*(?:
        (?:\#[xX](?P<html>[\da-fA-F]{1,6}+) | \#(?P<decimal>\d{1,7}+)) (?:;|(?=&\#)|%s)
        | (?P<name>[A-Za-z][A-Za-z0-9]{1,30}) %s
      )
    """
_BEGINS_ESCAPES = b"%=\\&"
_STRICT = re.compile(_ESCAPE % (rb"(?![&%=<\\])", b";"), re.VERBOSE)
"""Accepts HTML entities without a semicolon, as browsers do, but no names, and no numbers in front
of another escape, which can stand for a line break in the middle of the number."""
_LENIENT = re.compile(_ESCAPE % (b"", b";?"), re.VERBOSE)
_ENDS_UNCLEARLY = re.compile(rb"#(?:[xX][\da-fA-F]{1,6}+|\d{1,7}+)(?:%[\da-fA-F]{2}|\\[xuU])")
"""A number without a semicolon in front of an escape that isn't a line break in all likelihood. To
look in front of other escapes too would use up the time of the search."""
_NOISE = re.compile(
    rb"(?:[\x00-\x20\x7f]|\xc2[\x80-\xa0\xad]|\xcd\x8f|\xd8\x9c"
    rb"|\xe1(?:\x85[\x9f\xa0]|\x9a\x80|\x9e[\xb4\xb5]|\xa0[\x8b-\x8f])"
    rb"|\xe2(?:\x80[\x80-\x8f\xa8-\xaf]|\x81[\x9f-\xaf]|\xa0\x80)|\xe3(?:\x80\x80|\x85\xa4)"
    rb"|\xed[\xa0-\xbf][\x80-\xbf]"
    rb"|\xef(?:\xb8[\x80-\x8f]|\xbb\xbf|\xbe\xa0|\xbf[\xb0-\xbd])|\xf3\xa0[\x80-\x87][\x80-\xbf]"
    rb"|(?<![\x80-\xff])[\x80-\xbf]|(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?)(?![\x80-\xbf])"
    rb"|</?w?br ?/?>)+"
)
"""White space, control characters (of Latin-1 too), invisible characters, HTML line breaks, and
parts of characters: surrogates, and bytes that a line break of quoted-printable can have split. The
replacement character stands for such a part. Unicode lists most of the invisible characters as
Default_Ignorable_Code_Point."""
_TERMINAL = re.compile(
    rb"(?:\x1b\[|\xc2\x9b)[0-?]*+[ -/]*+[@-~]"
    rb"|(?:\x1b[P\]X^_]|\xc2[\x90\x98\x9d-\x9f])(?:(?!\xc2[\x80-\x9f])[^\x07\x1b])*+(?:\x07|\x1b\\|\xc2\x9c)"
    rb"|\x1b[ -/]++[0-~]"
)
"""Control sequences, control strings, and escape sequences (ECMA-48 sections 5.4 and 5.6, ECMA-35
section 13.2). xterm ends a string with a bell too. A string ends at the next control character, so
that the search takes linear time."""
_ASCII_NOISE = bytes((*range(0x21), 0x7F))
MAX_PASSES = 8
"""The maximum depth of nested escapes. Each pass removes one level, and all levels of percent
encoding."""


class View:
    """A text made from a source by replacing matches."""

    def __init__(self, source: bytes, found: Iterable[re.Match[bytes]], replace: Replace) -> None:
        self._starts: list[int] = []
        """The start of each replacement in the view."""
        self._segments: list[tuple[int, int, int]] = []
        """The end of each replacement in the view, and the span of its match in the source."""
        pieces, here, there = [], 0, 0
        for match in found:
            start, end = match.span()
            made = replace(match) if callable(replace) else replace
            here += start - there
            self._starts.append(here)
            here += len(made)
            self._segments.append((here, start, end))
            pieces += [source[there:start], made]
            there = end
        self.text = b"".join([*pieces, source[there:]]) if pieces else source

    def origin(self, span: Span) -> Span:
        """Return the span of the source that a part of the view comes from."""
        return self._at(span[0])[0], self._at(span[1] - 1)[1]

    def changed(self, margin: int) -> Iterator[Span]:
        """Yield the parts of the view that differ from the source, with a margin on each side."""
        starts, segments = self._starts, self._segments
        begin = end = 0
        for start, (made_end, _, _) in zip(starts, segments, strict=True):
            if start - margin > end:
                if end:
                    yield begin, end
                begin = max(0, start - margin)
            end = min(len(self.text), made_end + margin)
        if end:
            yield begin, end

    def _at(self, position: int) -> Span:
        starts, segments = self._starts, self._segments
        index = bisect_right(starts, position) - 1
        if index < 0:
            return position, position + 1
        made_end, start, end = segments[index]
        if position < made_end:
            return start, end
        return end + position - made_end, end + position - made_end + 1


class _Squeezed(View):
    """A view that is fast to build, because every text needs one. Few positions are traced back."""

    def __init__(self, source: bytes) -> None:
        simple = source.isascii() and b"<" not in source
        self.text = source.translate(None, _ASCII_NOISE) if simple else _NOISE.sub(b"", source)
        self._source = source

    def origin(self, span: Span) -> Span:
        return self._exact.origin(span)

    @cached_property
    def _exact(self) -> View:
        return View(self._source, _NOISE.finditer(self._source), b"")


def unescaped(text: bytes) -> View:
    """Replace every escape of URLs, JSON, HTML, email and programs by its character."""
    if len(text.translate(None, _BEGINS_ESCAPES)) == len(text):  # much faster than a search
        return View(text, (), b"")
    strict = View(text, _STRICT.finditer(text), _meant)
    if strict.text != text or b"&" not in text:
        return strict
    return View(text, _LENIENT.finditer(text), _meant)


def leniently(text: bytes) -> Iterator[View]:
    """Also replace entities that ``unescaped`` leaves because another escape follows."""
    if b"&" in text and _ENDS_UNCLEARLY.search(text):
        yield View(text, _LENIENT.finditer(text), _meant)


def without_sequences(text: bytes) -> Iterator[View]:
    """Remove what controls a terminal, if there is anything.

    ``squeezed`` doesn't, because a sequence can itself contain a secret.
    """
    if b"\x1b" in text or b"\xc2" in text:
        view = View(text, _TERMINAL.finditer(text), b"")
        if view.text != text:
            yield view


_N = rb"%s*+" % _NOISE.pattern[:-1]
_IN_LINE = rb"(?:(?!\n)%s)*+" % _NOISE.pattern[:-1]
_NEEDED_ESCAPE = rb"(?:[89A-F]%s[\dA-F]|3%sD|2%s0|0%s[9AD])" % (_N, _N, _N, _N)
_SOFT_LINE_BREAKS = (
    re.compile(rb"=%s\n%s" % (_IN_LINE, _N)),
    re.compile(rb"=%s\n%s(?!%s)" % (_IN_LINE, _N, _NEEDED_ESCAPE)),
    re.compile(rb"=%s(?:3%sD%s)*+\n%s(?!%s)" % (_IN_LINE, _IN_LINE, _IN_LINE, _N, _NEEDED_ESCAPE)),
)
"""The first finds all. The second leaves escapes that were split into lines later; quoted-printable
escapes only what it must. The third also finds soft line breaks that were encoded again."""


def joined(text: bytes) -> Iterator[View]:
    """Join lines that quoted-printable encoding has split; yield each view that is possible."""
    if b"=" not in text or b"\n" not in text:
        return
    before = {text}
    for pattern in _SOFT_LINE_BREAKS:
        view = View(text, pattern.finditer(text), b"")
        if view.text not in before:
            before.add(view.text)
            yield view


def squeezed(text: bytes) -> View:
    """Remove white space and invisible characters."""
    return _Squeezed(text)


def normal(text: bytes) -> bytes:
    """Remove all escapes and white space."""
    for _ in range(MAX_PASSES):
        before, text = text, unescaped(squeezed(text).text).text
        if text == before:
            break
    return text


def _meant(match: re.Match[bytes]) -> bytes:
    kind = match.lastgroup or ""
    return _MEANINGS[kind](match[kind])


def _byte(digits: bytes) -> bytes:
    return _BYTES[digits]


def _character(digits: bytes, base: int = 16) -> bytes:
    number = int(digits, base)
    return chr(number).encode("utf-8", "surrogatepass") if number < 0x110000 else b""


def _entity(name: bytes) -> bytes:
    """Decode an HTML entity; leave an unknown name unchanged."""
    character = html5.get(f"{name.decode()};")
    return b"&" + name if character is None else character.encode()


_BYTES = {
    (high + low).encode(): bytes((int(high + low, 16),)) for high in hexdigits for low in hexdigits
}
_WHITE = {b"n": b"\n", b"r": b"\r"}
_MEANINGS: dict[str, Callable[[bytes], bytes]] = {
    "percent": _byte,
    "backslashes": lambda run: run[: len(run) // 2],
    "quoted_printable": _byte,
    "x": _byte,
    "u4": _character,
    "u8": _character,
    "u": _character,
    "octal": lambda digits: bytes((int(digits, 8),)),
    "white": lambda letter: _WHITE.get(letter, b" "),
    "itself": lambda character: character,
    "html": _character,
    "decimal": lambda digits: _character(digits, 10),
    "name": _entity,
}
