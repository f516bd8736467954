"""The smallest clients of ``benchmarks cpu`` read the same as the exporter."""

from __future__ import annotations

import asyncio
import json
import subprocess

import httptools
import pytest

from benchmarks.cpu import clients, compiled, least
from exporter.providers import PROVIDERS, Kind
from exporter.providers.base import Finished, Output, UsageReported
from tests.providers.golden import events_of, fixture
from tests.waiting import until
from tests.wire import LAST_CHUNK, STREAM_HEAD, chunk, wire_server

in_both = pytest.mark.parametrize(
    "language",
    [
        pytest.param(
            "C",
            marks=pytest.mark.skipif(not compiled.compiler(), reason="there is no C compiler"),
        ),
        "Python",
    ],
)
ROW = PROVIDERS["openai"]
DIALECT = ROW.dialect(ROW.server(None, None), Kind.CHAT)


def answer(body: bytes, chunk_bytes: int, piece_bytes: int) -> list[bytes]:
    """Return an answer in HTTP chunks of one size, sent in pieces of another size."""
    chunks = [chunk(body[at : at + chunk_bytes]) for at in range(0, len(body), chunk_bytes)]
    sent = b"".join([STREAM_HEAD, *chunks, LAST_CHUNK])
    return [sent[at : at + piece_bytes] for at in range(0, len(sent), piece_bytes)]


def in_c(*words: str) -> dict[str, int]:
    client = compiled.client()
    assert client is not None
    ended = subprocess.run([client, *words], capture_output=True, check=True, timeout=150)
    counted: dict[str, int] = json.loads(ended.stdout)
    return counted


def in_python(*words: str) -> dict[str, int]:
    return asyncio.run(least.read(*words))


READERS = {"C": in_c, "Python": in_python}


def read(
    language: str, parsing: str, connection: str, pieces: list[bytes], probes: int
) -> dict[str, int]:
    """Return what the client counted."""
    with wire_server(pieces) as server:
        words = [parsing, connection, "127.0.0.1", server.port, "m", 1, 0, probes]
        counted = READERS[language](*map(str, words))
        assert server.connections >= (probes if connection == "fresh" else 1)
    return counted


@in_both
@pytest.mark.parametrize("sizes", [(100_000, 100_000), (100_000, 7), (11, 3)])
@pytest.mark.parametrize("name", ["openai", "deepseek", "vllm", "multibyte", "crlf", "comments"])
def test_it_finds_the_outputs_that_our_dialect_finds(
    language: str, name: str, sizes: tuple[int, int]
) -> None:
    body = fixture("openai", name)
    events = events_of(DIALECT, body)

    counted = read(language, "parsed", "reuse", answer(body, *sizes), 2)

    tokens = [it.usage.output or 0 for it in events if isinstance(it, UsageReported)]
    assert counted["outputs"] == 2 * sum(isinstance(it, Output) for it in events)
    assert counted["finished"] == 2 * any(isinstance(it, Finished) for it in events)
    assert counted["tokens"] == 2 * (tokens[-1] if tokens else 0)


@in_both
@pytest.mark.parametrize("parsing", ["unread", "parsed"])
@pytest.mark.parametrize("connection", ["reuse", "fresh"])
def test_it_sees_where_an_answer_ends(language: str, parsing: str, connection: str) -> None:
    pieces = answer(fixture("openai", "openai"), 40, 5)

    counted = read(language, parsing, connection, pieces, 3)

    assert counted["probes"] == 3
    assert counted["bytes"] >= 3 * sum(map(len, pieces))


@in_both
def test_it_ends_once_nobody_holds_its_standard_input(language: str) -> None:
    command = clients.least_command(language)
    with wire_server(answer(fixture("openai", "openai"), 40, 5)) as server:
        words = ["parsed", "fresh", "127.0.0.1", server.port, "m", 1, 0, 0]
        with subprocess.Popen(
            [*command, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as client:
            try:
                asyncio.run(until(lambda: server.connections > 2, 150))
                told, _ = client.communicate(timeout=150)
            finally:
                client.kill()
    assert client.returncode == 0
    assert json.loads(told)["probes"] >= 2


@in_both
@pytest.mark.parametrize(
    "event", [b"data: {\n\n", b'data: {"a": 01}\n\n', b'data: {"error": {}}\n\n']
)
def test_it_fails_for_what_it_does_not_understand(language: str, event: bytes) -> None:
    with pytest.raises((subprocess.CalledProcessError, httptools.HttpParserCallbackError)):
        read(language, "parsed", "reuse", answer(event, 100, 100), 1)
