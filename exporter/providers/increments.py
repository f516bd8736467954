"""Cumulative texts: servers that repeat in each chunk all that was said before."""

from __future__ import annotations

from bisect import bisect_left

from exporter.providers.base import OutputKind


class Increments:
    """What is new in each text of a stream that may be cumulative or not.

    The first text that comes after another of its kind shows which it is: an increment does not
    begin with all that was said before it, but for an answer like "1" "11".
    """

    def __init__(self) -> None:
        self._said: dict[OutputKind, str] = {}
        self._cumulative: bool | None = None

    def new_in(self, kind: OutputKind, text: str, *, last: bool) -> str:
        """The part of a text that was not said before; ``last`` if generation ends with it."""
        if self._cumulative is False:
            return text  # and nothing is kept: to add to all that was said would take ever longer
        said = self._said.get(kind, "")
        if said and text and self._cumulative is None:
            # The last of two cumulative texts may add nothing to the first.
            self._cumulative = text.startswith(said) and (len(text) > len(said) or last)
        if not self._cumulative:
            self._said[kind] = said + text
            return text
        self._said[kind] = text or said
        return text[_common_length(said, text) :]


def _common_length(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning. It may be less than what
    was said: a character of several tokens can be shown as U+FFFD until it is whole."""
    lengths = range(1, min(len(one), len(other)) + 1)
    return bisect_left(lengths, True, key=lambda length: one[:length] != other[:length])
