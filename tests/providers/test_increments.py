"""Cumulative texts become increments, and increments don't change."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import assume, given
from hypothesis import strategies as st

from exporter.providers.base import OutputKind
from exporter.providers.increments import Increments

PIECES = st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=8)


def increments(texts: list[str]) -> list[str]:
    known = Increments()
    last = len(texts) - 1
    return [
        known.new_in(OutputKind.ANSWER, text, last=number == last)
        for number, text in enumerate(texts)
    ]


@given(PIECES)
def test_cumulative_texts_give_what_each_of_them_added(pieces: list[str]) -> None:
    assert increments(list(accumulate(pieces))) == pieces


@given(PIECES)
def test_a_last_cumulative_text_that_adds_nothing_gives_nothing(pieces: list[str]) -> None:
    texts = list(accumulate(pieces))
    assert increments([*texts, texts[-1]]) == [*pieces, ""]


@given(PIECES)
def test_increments_stay_as_they_are(pieces: list[str]) -> None:
    assume(len(pieces) < 2 or not pieces[1].startswith(pieces[0]))
    assert increments(pieces) == pieces


def test_which_it_is_holds_for_every_kind_of_text() -> None:
    known = Increments()
    thought = [known.new_in(OutputKind.REASONING, text, last=False) for text in ("hm", "hm, so")]
    answer = [known.new_in(OutputKind.ANSWER, text, last=False) for text in ("1", "1 2")]
    repeated = known.new_in(OutputKind.REASONING, "hm, so", last=True)
    assert (thought, answer, repeated) == (["hm", ", so"], ["1", " 2"], "")
