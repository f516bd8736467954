"""Series as a response body: Prometheus text, OpenMetrics, or protobuf, as the scraper requests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from exporter.metrics.exposition import protobuf, text
from exporter.metrics.family import Family
from exporter.metrics.series import Block, Exposed

_PIECE_BYTES = 1 << 17


@dataclass(frozen=True, slots=True, eq=False)
class Format:
    """One exposition format."""

    media_type: str
    parameters: str
    block: Callable[[Block], bytes]
    head: Callable[[Family, int], bytes]
    """Returns what comes before the series of a family, given their size in bytes."""
    end: bytes = b""
    native: bool = False
    """Whether the format supports native histograms."""

    @property
    def content_type(self) -> str:
        return f"{self.media_type}; {self.parameters}"

    def parts(
        self, shown: Iterable[Exposed], pause: Callable[[], None] = lambda: None
    ) -> Iterator[bytes]:
        """Yield a response body in pieces.

        Joining, copying, or sending megabytes in one step would delay the thread that reads
        streams, because all threads share the interpreter.

        :param pause: called after each block, so that another thread can run.
        """
        for part in shown:
            if part.has_series():
                blocks = []
                for block in part.blocks:
                    blocks.append(block.rendered(self.block))
                    pause()
                yield from _joined([self.head(part.family, sum(map(len, blocks))), *blocks])
        yield self.end

    def body(self, shown: Iterable[Exposed]) -> bytes:
        """Return a complete response body."""
        return b"".join(self.parts(shown))


def _joined(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Join blocks into pieces of about ``_PIECE_BYTES``."""
    piece: list[bytes] = []
    size = 0
    for block in blocks:
        piece.append(block)
        size += len(block)
        if size >= _PIECE_BYTES:
            yield b"".join(piece)
            piece, size = [], 0
    yield b"".join(piece)


TEXT = Format(
    "text/plain",
    "version=0.0.4; charset=utf-8",
    text.prometheus_block,
    text.prometheus_head,
)
OPENMETRICS = Format(
    "application/openmetrics-text",
    "version=1.0.0; charset=utf-8",
    text.openmetrics_block,
    text.openmetrics_head,
    end=b"# EOF\n",
)
PROTOBUF = Format(
    "application/vnd.google.protobuf",
    "proto=io.prometheus.client.MetricFamily; encoding=delimited",
    protobuf.block_metrics,
    protobuf.head,
    native=True,
)

_ACCEPTED = (
    (PROTOBUF, re.compile(r"proto=io\.prometheus\.client\.MetricFamily")),
    (OPENMETRICS, re.compile(r"version=1\.\d|^(?!.*version=)")),
    (TEXT, re.compile("")),
)
"""The formats, richest first, and a pattern for their parameters."""


def negotiated(accept: str) -> Format:
    """Return the format that an ``Accept`` header (RFC 9110 section 12.5.1) prefers.

    If several have the same weight, return the richest. If the header names none of them, return
    plain text.
    """
    weights: dict[Format, float] = {}
    for choice in accept.split(","):
        media_type, _, parameters = choice.partition(";")
        for format_, wanted in _ACCEPTED:
            if media_type.strip().lower() == format_.media_type and wanted.search(parameters):
                weights[format_] = max(weights.get(format_, 0.0), _weight(parameters))
    ranked = [format_ for format_, _ in _ACCEPTED if weights.get(format_)]
    return max(ranked, key=lambda format_: weights[format_], default=TEXT)


def _weight(parameters: str) -> float:
    match = re.search(r";\s*q=([01](?:\.\d{0,3})?)\s*(?:;|$)", f";{parameters}")
    return float(match[1]) if match else 1.0
