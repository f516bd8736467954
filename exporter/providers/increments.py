"""Cumulative texts, from servers that repeat the whole answer in each chunk."""

from __future__ import annotations

from bisect import bisect_left

from exporter.providers.base import OutputKind


class Increments:
    """Finds the new part of each text in a stream that may or may not be cumulative.

    The second text of a kind decides: an increment doesn't start with the whole text before it,
    except in an answer like "1" "11".
    """

    def __init__(self) -> None:
        self._texts: dict[OutputKind, str] = {}
        self._cumulative: bool | None = None

    def new_in(self, kind: OutputKind, text: str, *, last: bool) -> str:
        """Return the new part of a text. ``last`` says whether it ends the generation."""
        if self._cumulative is False:
            return text  # don't store it: appending to the whole answer takes quadratic time
        earlier = self._texts.get(kind, "")
        if earlier and text and self._cumulative is None:
            # The last cumulative text can be identical to the one before it.
            self._cumulative = text.startswith(earlier) and (len(text) > len(earlier) or last)
        if not self._cumulative:
            self._texts[kind] = earlier + text
            return text
        self._texts[kind] = text or earlier
        return text[_common_length(earlier, text) :]


def _common_length(one: str, other: str) -> int:
    """Return the length of the common prefix.

    It can be shorter than the earlier text: a server may show a character of several tokens as
    U+FFFD until it is complete.
    """
    lengths = range(1, min(len(one), len(other)) + 1)
    return bisect_left(lengths, True, key=lambda length: one[:length] != other[:length])
