"""Finds known secrets in a text, in any encoding.

It normalizes the text and then searches it: it replaces escapes by their characters, removes white
space, decodes possible base64 and hexadecimal, and repeats all this with the result. It recognizes
a secret by its first ``PREFIX`` characters and extends the match as far as the text agrees.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, takewhile

from exporter.settings.redaction.views import (
    MAX_PASSES,
    Span,
    View,
    joined,
    leniently,
    normal,
    squeezed,
    unescaped,
    without_sequences,
)

PREFIX = 12
"""The number of characters that identify a secret."""
_PREFIX_IN_BASE64 = 16
_SPLITTABLE = 8
"""Shorter secrets aren't searched for across white space or in decoded text, where they would match
by chance."""
_MAX_DECODED = 4
"""The maximum number of nested encodings."""
_MARGIN_LEAST = 256
_MARGIN_FACTOR = 6
"""How much longer a secret can become in triple base64 with escapes."""
_LONGER_THAN_WORDS = 16
_BUDGET_FACTOR = 8
_BUDGET_LEAST = 64 << 10
"""The maximum number of bytes to search in addition to the text itself."""
_EACH = 128
"""The fixed cost of each search, in bytes."""

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{11,}={0,2}")
_NO_WORDS = re.compile(rb"(?:[A-Z0-9+/_-][a-z]{0,7}){3}")
"""Base64 has many characters that aren't lowercase letters. Sentences without spaces don't."""
_HEX = re.compile(rb"(?:(?:0[xX])?[0-9a-fA-F]{2}[:,;-]?){8,}+[0-9a-fA-F]?")
_NOT_HEX = re.compile(rb"0[xX]|[^0-9a-fA-F]+")
_ASCII, _WIDER = rb"[\0\t\n\r\x20-\x7e]", rb"[\xc2-\xf4][\x80-\xbf]{1,3}"
_TEXT = re.compile(
    rb"(?:%s{8,}+|(?:%s|%s){8})(?:%s++|%s)*+" % (_ASCII, _ASCII, _WIDER, _ASCII, _WIDER)
)
"""Possible text in decoded bytes. UTF-16 has zeros between the letters."""
_STANDARD = bytes.maketrans(b"-_", b"+/")


class TooEncoded(Exception):
    """Searching the text would take too long."""


@dataclass(slots=True)
class Needles:
    """The byte sequences to search for.

    Secrets that look like words have a pattern each. All others are in lower case, grouped by their
    prefix.
    """

    words: dict[bytes, re.Pattern[bytes]] = field(default_factory=dict)
    anywhere: dict[bytes, list[bytes]] = field(default_factory=dict)
    across_white_space: dict[bytes, list[bytes]] = field(default_factory=dict)
    longest: int = 0
    """The length of the longest secret."""

    def add(self, secret: bytes) -> None:
        """Search for this secret from now on."""
        self.longest = max(self.longest, len(secret))
        if _reads_like_a_word(secret):
            self.words[secret] = re.compile(rb"(?<![A-Za-z0-9])%s(?![A-Za-z0-9])" % secret)
            return
        for form in {secret, normal(secret)}:
            compact = squeezed(form).text
            _add(self.anywhere, form, PREFIX)
            if len(compact) >= _SPLITTABLE:
                _add(self.across_white_space, compact, PREFIX)
        for form in _in_base64(secret):
            _add(self.anywhere, form, _PREFIX_IN_BASE64)
            if len(secret) >= _SPLITTABLE:
                _add(self.across_white_space, form, _PREFIX_IN_BASE64)


def _reads_like_a_word(secret: bytes) -> bool:
    """Whether innocent text can contain the secret, such as the placeholder key ``EMPTY``.

    Such a secret is redacted only as a separate word and in its exact form.
    """
    return secret.isdigit() or (secret.isalpha() and len(secret) < _LONGER_THAN_WORDS)


def _add(to: dict[bytes, list[bytes]], whole: bytes, prefix: int) -> None:
    # Don't change the old list: other threads may be iterating over it.
    whole = whole.lower()
    head = whole[:prefix]
    if whole not in (others := to.get(head, [])):
        to[head] = [*others, whole]


def _in_base64(secret: bytes) -> Iterator[bytes]:
    """Yield the forms of a secret inside base64 text.

    They match even if the case of the base64 text was changed, when decoding no longer works. A
    group of three bytes can start at any of the first three bytes of the secret. Characters that
    also encode neighboring bytes are left out.
    """
    for before, shared in enumerate((0, 2, 3)):
        padded = bytes(before) + secret
        whole = slice(shared, len(padded) * 8 // 6)
        yield base64.b64encode(padded)[whole]
        yield base64.urlsafe_b64encode(padded)[whole]


def find(text: bytes, needles: Needles) -> list[Span]:
    """Find the secrets in a text; return sorted spans that don't overlap.

    :raises TooEncoded: the search would exceed its time limit.
    """
    search = _Search(needles, _BUDGET_LEAST + _BUDGET_FACTOR * len(text))
    return _merged(search.everywhere(text, _MAX_DECODED))


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


class _Search:
    def __init__(self, needles: Needles, budget: int) -> None:
        self._needles = needles
        self._margin = _MARGIN_LEAST + _MARGIN_FACTOR * needles.longest
        self._budget = budget
        self._innocent: dict[bytes, int] = {}
        """Texts without secrets, with the number of nested encodings that were searched."""

    def everywhere(self, text: bytes, decodings: int) -> list[Span]:
        """Find the secrets in a text and in the text that it encodes."""
        if self._innocent.get(text, -1) >= decodings:
            return []
        spans = [*self._unchanged(text), *self._normalized(text, decodings, MAX_PASSES)]
        if squeezed(text).text != text:  # otherwise _normalized has searched the unescaped text
            spans += self._changed(unescaped(text), decodings, MAX_PASSES - 1)
        if not spans:
            self._innocent[text] = decodings
        return spans

    def _unchanged(self, text: bytes) -> Iterator[Span]:
        yield from _matches(text, self._needles.anywhere)
        for word in tuple(self._needles.words.values()):
            yield from (found.span() for found in word.finditer(text))

    def _normalized(self, text: bytes, decodings: int, passes: int) -> Iterator[Span]:
        """Search the text without white space and without escapes, repeatedly."""
        self._spend(len(text))
        compact = squeezed(text)
        yield from map(compact.origin, self._compact(compact.text, decodings))
        if not passes:
            return
        again = self._changed(unescaped(compact.text), decodings, passes - 1)
        yield from map(compact.origin, again)
        if b"<" in compact.text and compact.text != text:  # white space may have split a tag
            again = self._normalized(compact.text, decodings, passes - 1)
            yield from map(compact.origin, again)
        for view in chain(joined(text), without_sequences(text), leniently(text)):
            yield from self._changed(view, decodings, passes - 1)

    def _changed(self, view: View, decodings: int, passes: int) -> Iterator[Span]:
        """Find the secrets in a view that aren't in its source.

        This searches only the changed parts, with a margin as long as any secret.
        """
        for begin, end in view.changed(self._margin):
            part = view.text[begin:end]
            for found in (self._unchanged(part), self._normalized(part, decodings, passes)):
                yield from (view.origin((start + begin, stop + begin)) for start, stop in found)

    def _compact(self, text: bytes, decodings: int) -> Iterator[Span]:
        yield from _matches(text, self._needles.across_white_space)
        if decodings:
            for decoded, origin in _decodings(text):
                self._spend(len(decoded))
                for part in _TEXT.finditer(decoded):
                    for start, end in self.everywhere(part[0], decodings - 1):
                        yield origin(start + part.start(), end + part.start())

    def _spend(self, size: int) -> None:
        self._budget -= size + _EACH
        if self._budget < 0:
            raise TooEncoded


def _matches(text: bytes, needles: dict[bytes, list[bytes]]) -> Iterator[Span]:
    lowered = text.lower()
    for head, wholes in tuple(needles.items()):
        start = lowered.find(head)
        while start >= 0:
            end = start + max(_common(lowered, start, whole) for whole in wholes)
            yield start, end
            start = lowered.find(head, end)


def _common(text: bytes, start: int, whole: bytes) -> int:
    """Return the length of the common prefix of a secret and the text from ``start`` on."""
    if text.startswith(whole, start):
        return len(whole)
    pairs = zip(text[start : start + len(whole)], whole, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


Origin = Callable[[int, int], Span]


def _decodings(text: bytes) -> Iterator[tuple[bytes, Origin]]:
    """Yield possible decodings of parts of the text, and functions that trace positions back."""
    for run in _BASE64.finditer(text):
        if not _NO_WORDS.search(run[0]):
            continue
        standard = run[0].rstrip(b"=").translate(_STANDARD)
        for offset in range(min(4, len(standard) - 10)):
            decoded = _from_base64(standard[offset:])
            yield decoded, _base64_origin(run.start() + offset, len(decoded), run)
    for run in _HEX.finditer(text):
        view = View(run[0], _NOT_HEX.finditer(run[0]), b"")
        for offset in (0, 1):
            yield _from_hex(view.text[offset:]), _hex_origin(view, offset, run.start())


def _from_base64(text: bytes) -> bytes:
    left = len(text) % 4
    return binascii.a2b_base64((text[:-1] if left == 1 else text) + b"=" * (-left % 4 % 3))


def _base64_origin(at: int, size: int, run: re.Match[bytes]) -> Origin:
    def origin(start: int, end: int) -> Span:
        with_padding = end == size and run[0].endswith(b"=")
        return at + start * 4 // 3, run.end() if with_padding else at - (-end * 4 // 3)

    return origin


def _from_hex(text: bytes) -> bytes:
    return binascii.unhexlify(text[: len(text) & ~1])


def _hex_origin(view: View, offset: int, at: int) -> Origin:
    def origin(start: int, end: int) -> Span:
        begin, stop = view.origin((offset + 2 * start, offset + 2 * end))
        return at + begin, at + stop

    return origin
