"""Properties of every dialect: splitting a body doesn't change its meaning, and no body causes a
crash."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.providers import PROVIDERS, Kind
from exporter.providers.base import Decoder, Event, ProtocolError
from tests.providers.golden import FIXTURES, SUFFIXES, events_of

DIALECTS = {name: row.dialect(row.server(None, None), Kind.CHAT) for name, row in PROVIDERS.items()}
GOLDEN = {
    provider: sorted(path for path in (FIXTURES / provider).iterdir() if path.suffix in SUFFIXES)
    for provider in PROVIDERS
    if (FIXTURES / provider).is_dir()
}
GOLDEN_FILES = [
    pytest.param(provider, path, id=f"{provider}-{path.name}")
    for provider, paths in GOLDEN.items()
    for path in paths
]


def outcome(decoder: Decoder, pieces: list[bytes]) -> list[Event]:
    """Return the events up to the end, or up to where the bytes violate the format."""
    events: list[Event] = []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.finish()
    except ProtocolError:
        pass
    return events


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize(("provider", "path"), GOLDEN_FILES)
def test_a_body_fed_byte_by_byte_means_the_same(provider: str, path: Path) -> None:
    dialect, data = DIALECTS[provider], path.read_bytes()
    assert events_of(dialect, data, piece_bytes=1) == events_of(dialect, data)


@pytest.mark.parametrize(("provider", "path"), GOLDEN_FILES)
def test_events_mean_the_same_with_and_without_their_last_byte(provider: str, path: Path) -> None:
    """A read mostly is one event, and the last byte of a late read comes by itself."""
    dialect, body = DIALECTS[provider], path.read_bytes()
    ends = [found.end() for found in re.finditer(rb"\n\n|\n", body)]
    whole = outcome(dialect.decoder(), [body])
    assert outcome(dialect.decoder(), split(body, ends)) == whole
    assert outcome(dialect.decoder(), split(body, [*ends, *(end - 1 for end in ends)])) == whole


@pytest.mark.parametrize("provider", GOLDEN)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_split_of_a_body_means_the_same(provider: str, data: st.DataObject) -> None:
    dialect = DIALECTS[provider]
    body = data.draw(st.sampled_from(GOLDEN[provider])).read_bytes()
    pieces = split(body, data.draw(st.lists(st.integers(0, len(body)), max_size=20)))
    assert outcome(dialect.decoder(), pieces) == outcome(dialect.decoder(), [body])


@pytest.mark.parametrize("provider", PROVIDERS)
@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(st.binary(max_size=200), max_size=5))
def test_random_bytes_give_events_or_a_protocol_error(provider: str, pieces: list[bytes]) -> None:
    outcome(DIALECTS[provider].decoder(), pieces)


@pytest.mark.parametrize("provider", GOLDEN)
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_damaged_bodies_give_events_or_a_protocol_error(provider: str, data: st.DataObject) -> None:
    body = data.draw(st.sampled_from(GOLDEN[provider])).read_bytes()
    damage = st.tuples(st.integers(0, len(body)), st.integers(0, 40), st.binary(max_size=40))
    for start, length, replacement in data.draw(st.lists(damage, min_size=1, max_size=4)):
        body = body[:start] + replacement + body[start + length :]
    pieces = split(body, data.draw(st.lists(st.integers(0, len(body)), max_size=3)))
    outcome(DIALECTS[provider].decoder(), pieces)
