"""A message that is read without parsing has the same meaning as when it is parsed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from exporter.providers.alike import Alike
from exporter.providers.base import Event, Output, OutputKind
from exporter.providers.openai import OpenAI

texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["", ",", ":", "a", "m", "stop", "content", '"', "\\", "\n", "é", "😀", "\ud800"]
    ),
)
deltas = st.one_of(
    texts.map(lambda text: {"content": text}),
    texts.map(lambda text: {"content": text, "refusal": None}),
    texts.map(lambda text: {"reasoning": text}),
    texts.map(lambda text: {"reasoning_content": text, "content": None}),
    st.lists(texts, max_size=2).map(
        lambda two: {"content": [{"type": "text", "text": t} for t in two]}
    ),
    texts.map(lambda text: {"tool_calls": [{"index": 0, "function": {"name": text}}]}),
)
chunks = st.fixed_dictionaries(
    {"id": st.sampled_from(["a", "b"]), "choices": deltas.map(lambda it: [{"delta": it}])},
    optional={
        "model": st.sampled_from(["m", "n", None]),
        "usage": st.sampled_from([None, {"prompt_tokens": 0}, {"completion_tokens": 3}]),
        "error": st.sampled_from([None, {"message": "x"}]),
    },
)
fields = st.sampled_from(["data: ", "data:", "event: message\ndata: "])
messages = st.tuples(chunks, st.booleans(), fields).map(lambda message: [message])
runs = st.tuples(st.sampled_from(["content", "reasoning"]), st.lists(texts, min_size=2)).map(
    lambda run: [({"choices": [{"delta": {run[0]: text}}]}, False, "data: ") for text in run[1]]
)
"""Similar messages, like nearly all messages of a stream."""


def read(told: Sequence[bytes]) -> list[Event]:
    decoder = OpenAI().decoder()
    return [event for data in told for event in decoder.feed(data)]


def wire(number: int | None, chunk: dict[str, object], escapes: bool, field: str) -> bytes:
    """Return one chunk as bytes. With a number, it differs from all others."""
    further = {} if number is None else {"number": number}
    said = json.dumps({**further, **chunk, **further}, ensure_ascii=escapes)
    return f"{field}{said}\n\n".encode(errors="replace")


@given(st.lists(messages | runs, max_size=6).map(lambda parts: list(chain(*parts))))
def test_a_stream_means_the_same_where_every_message_is_parsed(
    stream: list[tuple[dict[str, object], bool, str]],
) -> None:
    plain = [wire(None, *message) for message in stream]
    each_parsed = [wire(number, *message) for number, message in enumerate(stream)]
    assert read(plain) == read(each_parsed)


FIRST = b'{"id":"i","choices":[{"delta":{"content":"one"}}]}'


def learnt(message: bytes = FIRST, text: str = "one") -> Alike:
    alike = Alike()
    alike.learn(message, [Output(OutputKind.ANSWER, text)])
    return alike


def test_a_message_that_differs_in_its_text_only_is_read() -> None:
    assert learnt().output(FIRST.replace(b"one", b"t w o")) == Output(OutputKind.ANSWER, "t w o")


def test_anything_else_has_to_be_parsed() -> None:
    alike = learnt()
    for other in (
        b"",
        FIRST.replace(b"one", b""),
        FIRST.replace(b"one", rb"\n"),
        FIRST.replace(b"one", b"\n"),
        FIRST.replace(b"one", b'"'),
        FIRST.replace(b"one", b"\xff"),
        FIRST.replace(b"one", b"\xed\xa0\x80"),
        FIRST.replace(b"one", b"x" * 5000),
        FIRST.replace(b'"i"', b'"j"'),
        FIRST + b" ",
        FIRST[:-1],
    ):
        assert alike.output(other) is None


def test_a_text_that_stands_elsewhere_too_is_not_learnt() -> None:
    twice = FIRST.replace(b'"i"', b'"one"')
    assert learnt(twice).output(twice) is None
    escaped = FIRST.replace(b'"i"', rb'"\u0061"')
    assert learnt(escaped).output(escaped) is None


def test_what_means_more_ends_the_likeness() -> None:
    alike = learnt()
    alike.learn(b"{}", [])
    assert alike.output(FIRST) is None
