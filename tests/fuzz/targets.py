"""The fuzz targets: everything that parses external data.

A target accepts any bytes, and raises only if it finds a bug. ``make fuzz`` runs each target with
atheris. tests/fuzz/test_targets.py runs them with hypothesis.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from exporter.budget.spend_file import SpendFileError, read_day
from exporter.config.loading.config_file import load
from exporter.prices.entry import UnknownPrice
from exporter.prices.file import load_prices
from exporter.providers import PROVIDERS
from exporter.providers.base import Dialect, ProtocolError, ResponseHead
from exporter.providers.framing import Framing
from exporter.providers.framing.eventstream import EventStreamDecoder
from exporter.providers.framing.ndjson import NdjsonDecoder
from exporter.providers.framing.sse import SseDecoder
from exporter.providers.framing.sse_or_json import SseOrJsonDecoder
from exporter.result import FailureReason
from exporter.settings.mistakes import ConfigError, Mistake
from exporter.settings.prompts import load_prompts
from exporter.settings.redaction import NOT_SHOWN, REDACTED, redact, remember
from exporter.settings.yaml_lines import parse_document
from exporter.site.toolkit_file import WebConfigFile
from tests.fuzz.encodings import ENCODINGS, KEY, NESTABLE

FIXTURES = Path(__file__).parents[1] / "fixtures"
EXAMPLES = Path(__file__).parents[2] / "docs"
Target = Callable[[bytes], None]

_STATUSES = (200, 400, 401, 402, 403, 404, 408, 413, 418, 429, 499, 500, 503, 529, 598, 999)


def pieces(data: bytes) -> Iterator[bytes]:
    """Yield the data after its first byte, cut into pieces of the length in that byte."""
    size = max(1, data[0]) if data else 1
    for start in range(1, len(data), size):
        yield data[start : start + size]


def framing(make: Callable[[], Framing[object]], data: bytes) -> None:
    """Split bytes into messages, or report a framing error."""
    cut = make()
    with suppress(ProtocolError):
        for piece in pieces(data):
            cut.feed(piece)
        cut.finish()


def answer(dialect: Dialect[Any], data: bytes) -> None:
    """Read a streamed answer."""
    decoder = dialect.decoder()
    with suppress(ProtocolError):
        for piece in pieces(data):
            decoder.feed(piece)
        decoder.finish(whole=bool(data and data[0] % 2))


def refusal(dialect: Dialect[Any], data: bytes) -> None:
    """Find the reason in the head and the body of an error."""
    status = _STATUSES[data[0] % len(_STATUSES)] if data else 500
    head_bytes, _, body = data[1:].partition(b"\n\n")
    lines = (line.partition(":") for line in head_bytes.decode("latin-1").split("\n"))
    head = ResponseHead(status, {name.lower(): value.strip() for name, _, value in lines if name})
    failure = dialect.failure(head, body)
    assert failure is None or failure.reason in FailureReason
    assert failure is not None or status == 200
    facts = dialect.header_facts(head)
    assert facts.retry_after_seconds is None or facts.retry_after_seconds >= 0


def yaml(data: bytes) -> None:
    """Read a document, or report the mistake with its line."""
    path = Path("config.yaml")
    try:
        found = parse_document(path, data).mistakes
    except ConfigError as error:
        found = error.mistakes
        assert found
    assert all(mistake.line and mistake.file == path and mistake.message for mistake in found)


def _file(data: bytes) -> Path:
    path = Path(tempfile.gettempdir()) / f"inference-exporter-fuzz-{os.getpid()}"
    path.write_bytes(data)
    return path


def _mistakes(read: Callable[[Path], object], data: bytes) -> tuple[Mistake, ...]:
    """Return the mistakes in a file with this content. Empty if the file is valid."""
    try:
        read(_file(data))
    except ConfigError as error:
        return error.mistakes
    return ()


def configuration(data: bytes) -> None:
    """Read a configuration and make its plans, or report mistakes with their lines."""
    for mistake in _mistakes(lambda path: load(path).plans(), data):
        assert mistake.file
        assert mistake.line
        assert mistake.message


def web_configuration(data: bytes) -> None:
    """Read a web configuration, or report mistakes with their file."""
    assert all(mistake.file and mistake.message for mistake in _mistakes(WebConfigFile, data))


def prompts(data: bytes) -> None:
    """Read prompts, or report mistakes with their lines, unless there are no prompts."""
    mistakes = _mistakes(load_prompts, data)
    assert all(mistake.line or len(mistakes) == 1 for mistake in mistakes)


def prices(data: bytes) -> None:
    """Read a price file with all of its prices, or report that it is invalid or that a price is
    unknown."""
    try:
        file = load_prices(_file(data))
    except ConfigError:
        return
    for key in file.entries:
        for tier in (None, "flex", [key]):
            with suppress(UnknownPrice):
                file.by_key(key, tier, "eu")


def spend(data: bytes) -> None:
    """Read the spending, or report that the file has none."""
    with suppress(SpendFileError):
        read_day(_file(data))


def secret_in_noise(data: bytes) -> None:
    """Find a key in up to three nested encodings, anywhere in any text. Any text can be
    searched."""
    remember(KEY)
    text = data.decode("utf-8", "surrogateescape")
    assert KEY not in redact(text)
    hidden, layers = KEY, [NESTABLE[choice % len(NESTABLE)] for choice in data[:3]]
    for layer in layers:
        hidden = ENCODINGS[layer](hidden)
    shown = redact(f"before {hidden} after")
    assert REDACTED in shown or NOT_SHOWN in shown or not _is_promised(layers)
    shown = redact(f"{text}\x01{KEY}\x01{text}")
    assert REDACTED in shown or NOT_SHOWN in shown


def _is_promised(layers: Sequence[str]) -> bool:
    """Return whether a key in these encodings, innermost first, must be found: up to three."""
    return sum(2 if "twice" in layer else 1 for layer in layers) <= 3


def _targets() -> Iterator[tuple[str, Target]]:
    for make in (SseDecoder, NdjsonDecoder, EventStreamDecoder, SseOrJsonDecoder):
        yield f"framing.{make.__name__}", partial(framing, make)
    for name, row in PROVIDERS.items():
        for kind in row.kinds:
            dialect = row.dialect(row.server(None, None), kind)
            yield f"answer.{name}.{kind}", partial(answer, dialect)
            yield f"refusal.{name}.{kind}", partial(refusal, dialect)
    for read in (yaml, configuration, web_configuration, prompts, prices, spend, secret_in_noise):
        yield read.__name__, read


TARGETS: Mapping[str, Target] = dict(_targets())


def seeds(name: str) -> Iterator[bytes]:
    """Yield the initial inputs: real servers' responses and people's files."""
    kind, _, of = name.partition(".")
    if kind in ("answer", "refusal", "framing"):
        provider = of.partition(".")[0]
        folder = FIXTURES / provider
        folders = [folder] if folder.is_dir() else sorted(filter(Path.is_dir, FIXTURES.iterdir()))
        for path in (path for folder in folders for path in sorted(folder.iterdir())):
            if path.is_file():
                yield b"\x40" + path.read_bytes()[: 16 << 10]
    elif kind in ("yaml", "configuration", "web_configuration"):
        yield from (path.read_bytes() for path in sorted(EXAMPLES.glob("*.y*ml")))
        yield b"tls_server_config: {cert_file: a, key_file: b}\nbasic_auth_users: {a: b}\n"
        yield b"targets: [{name: a, provider: openai, model: m, labels: {a: b}}]\n"
        yield b"a: &a [1, 2.5, null, true, ~]\nb: {<<: {c: *a}}\n? x\n: |\n  text\n"
    elif kind == "prompts":
        yield (EXAMPLES / "example-prompts.jsonl").read_bytes()
    elif kind == "prices":
        yield from (path.read_bytes() for path in sorted((FIXTURES / "prices").glob("*.json")))
    elif kind == "spend":
        yield b'{"day": "2026-11-26", "usd": {"a": 1.5}}'
    else:
        yield from (encode(KEY).encode() for encode in ENCODINGS.values())
