"""A message that is read without parsing has the same meaning as when it is parsed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.providers.alike import Alike, AlikeDecoder
from exporter.providers.anthropic import Anthropic
from exporter.providers.asks import ChatAsk
from exporter.providers.base import Dialect, Event, Output, OutputKind, RequestIdentified
from exporter.providers.framing import FramedDecoder
from exporter.providers.framing.sse import ServerSentEvent
from exporter.providers.framing.sse_or_json import SseOrJsonDecoder
from exporter.providers.openai import OpenAI

OPENAI = OpenAI()
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


def read(told: Sequence[bytes], dialect: Dialect[ChatAsk] = OPENAI) -> list[Event]:
    decoder = dialect.decoder()
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


pieces = st.one_of(
    texts.map(lambda text: {"type": "text_delta", "text": text}),
    texts.map(lambda text: {"type": "thinking_delta", "thinking": text}),
    texts.map(lambda text: {"type": "input_json_delta", "partial_json": text}),
)
indices = st.integers(0, 1)
blocks = st.one_of(
    texts.map(lambda text: {"type": "text", "text": text}),
    st.just({"type": "tool_use", "id": "i", "name": "n", "input": {}}),
)
happenings: st.SearchStrategy[tuple[str, dict[str, Any]]] = st.one_of(
    st.tuples(st.just("content_block_delta"), st.fixed_dictionaries({"delta": pieces})),
    st.tuples(st.just("content_block_start"), st.fixed_dictionaries({"content_block": blocks})),
    st.just(("content_block_stop", {})),
    st.just(("ping", {})),
    st.just(("message_delta", {"delta": {"stop_reason": "end_turn"}})),
)
names = st.sampled_from(["content_block_delta", "message", ""])
"""The name of the event, where it isn't its type."""
events = st.tuples(happenings, indices, st.booleans(), st.none() | names).map(lambda it: [it])
similar = st.lists(texts, min_size=2).map(
    lambda told: [
        (("content_block_delta", {"delta": {"type": "text_delta", "text": text}}), 0, False, None)
        for text in told
    ]
)


def anthropic_wire(
    number: int | None,
    happening: tuple[str, dict[str, object]],
    index: int,
    escapes: bool,
    name: str | None,
) -> bytes:
    """Return one event as bytes. With a number, it differs from all others."""
    type_, fields = happening
    further = {} if number is None else {"number": number}
    event = {**further, "type": type_, "index": index, **fields, **further}
    data = json.dumps(event, ensure_ascii=escapes)
    named = type_ if name is None else name
    line = f"event: {named}\n" if named else ""
    return f"{line}data: {data}\n\n".encode(errors="replace")


@given(st.lists(events | similar, max_size=6).map(lambda parts: list(chain(*parts))))
def test_the_same_holds_for_named_events(
    stream: list[tuple[tuple[str, dict[str, object]], int, bool, str | None]],
) -> None:
    plain = [anthropic_wire(None, *event) for event in stream]
    each_parsed = [anthropic_wire(number, *event) for number, event in enumerate(stream)]
    assert read(plain, Anthropic()) == read(each_parsed, Anthropic())


class Parser:
    """A dialect whose messages mean a text, or, if there is anything else about them, that."""

    def __init__(self) -> None:
        self.parsed: list[ServerSentEvent] = []

    def __call__(self, message: ServerSentEvent) -> list[Event]:
        self.parsed.append(message)
        try:
            text = json.loads(message.data)["text"]
        except (ValueError, KeyError):
            return [RequestIdentified(repr(message))]
        if message.status or message.is_bare or message.event == "other":
            return [RequestIdentified(repr(message))]
        return [Output(OutputKind.ANSWER, text)]


LIKE = b'data: {"text": "1"}\n\n'
TWO_LINES = b'data: {"more": 1,\ndata: "text": "3"}\n\n'
ONE_LINE = b'data: {"more": 1,\n"text": "4"}\n\n'
parts = st.sampled_from(
    [
        *(LIKE, LIKE.replace(b"1", b"2"), LIKE[:-1], LIKE[:9], LIKE[9:], b"event: a\n" + LIKE),
        *(b"event: other\n", b":HTTP_STATUS/429\n", b": a comment\n", b"data: [\n", b"\n", b"\r"),
        *(b"{", b"}\n", TWO_LINES, ONE_LINE, b"\xef\xbb\xbf"),
    ]
)


@given(st.lists(st.lists(parts, max_size=3).map(b"".join), max_size=8))
@example([LIKE[:-1], LIKE])
@example([TWO_LINES, ONE_LINE])
def test_a_read_that_is_not_framed_means_the_same_as_when_it_is(reads: list[bytes]) -> None:
    decoder = AlikeDecoder(SseOrJsonDecoder(), Parser())
    framed = FramedDecoder(SseOrJsonDecoder(), Parser())
    for data in (LIKE, *reads):
        assert list(decoder.feed(data)) == list(framed.feed(data))


@pytest.mark.parametrize("size", [1000, 35, 34, 7, 1])
def test_similar_named_events_are_not_parsed(size: int) -> None:
    parser = Parser()
    decoder = AlikeDecoder(SseOrJsonDecoder(), parser)
    sent = b"".join(b'event: piece\ndata: {"text": "%d"}\n\n' % number for number in range(3))
    reads = [sent[at : at + size] for at in range(0, len(sent), size)]
    meant = [event for data in reads for event in decoder.feed(data)]
    assert meant == [Output(OutputKind.ANSWER, text) for text in ("0", "1", "2")]
    assert len(parser.parsed) == 1


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


def test_a_text_that_also_stands_between_two_strings_is_not_learnt() -> None:
    """Its quotation marks would be those of the key before it and of itself."""
    colon = FIRST.replace(b"one", b":")
    alike = learnt(colon, ":")
    assert alike.output(colon.replace(b'"content":', b'"content"broken')) is None
    assert alike.output(colon.replace(b'":":"', b'": ":"')) is None


def test_what_means_more_ends_the_likeness() -> None:
    alike = learnt()
    alike.learn(b"{}", [])
    assert alike.output(FIRST) is None
