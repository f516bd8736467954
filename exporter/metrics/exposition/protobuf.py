"""The protobuf format, the only one that supports native histograms.

A body is a sequence of ``io.prometheus.client.MetricFamily`` messages, each with a length prefix.
This module encodes them field by field, because there are only a few simple types. An encoded
message can then be cached as bytes. Field numbers: ``metrics.proto`` of prometheus/client_model.
Wire format: the Protocol Buffers documentation, "Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from itertools import accumulate, pairwise

from exporter.metrics.family import Family, Kind
from exporter.metrics.series import Block
from exporter.metrics.values import NATIVE_SCHEMA, Counter, Exemplar, Gauge, Histogram

_VARINT, _DOUBLE, _BYTES = 0, 1, 2
_TYPES = {Kind.COUNTER: 0, Kind.GAUGE: 1, Kind.HISTOGRAM: 4}
_double = struct.Struct("<d").pack


def head(family: Family, metrics_bytes: int) -> bytes:
    """Return what comes before the metrics of a family: the length of its message, and its
    fields."""
    fields = _text(1, family.name) + _text(2, family.help) + _integer(3, _TYPES[family.kind])
    return _varint(len(fields) + metrics_bytes) + fields


def block_metrics(block: Block) -> bytes:
    """Return the metrics of a block, as fields of their family's message."""
    common = b"".join(_label_pairs(block.labels))
    return b"".join(
        _message(4, common + b"".join(_label_pairs(own)) + _value(block, child))
        for own, child in block.series()
    )


def _value(block: Block, value: Counter | Gauge | Histogram) -> bytes:
    match value:
        case Counter():
            exemplar = _exemplar(2, value.exemplar) if value.exemplar else b""
            return _message(3, _number(1, value.value) + exemplar)
        case Gauge():
            return _message(2, _number(1, value.value))
        case Histogram():
            shown = _totals(value) + _native(value)
            classic = _classic(block.family, value) if block.classic else _exemplars(value)
            return _message(7, shown + classic)


def _totals(histogram: Histogram) -> bytes:
    return _integer(1, sum(histogram.counts)) + _number(2, histogram.sum)


def _classic(family: Family, histogram: Histogram) -> bytes:
    bounds = (*family.buckets, float("inf"))
    buckets = zip(bounds, accumulate(histogram.counts), histogram.exemplars, strict=True)
    return b"".join(
        _message(
            3,
            _integer(1, count) + _number(2, bound) + (_exemplar(3, exemplar) if exemplar else b""),
        )
        for bound, count, exemplar in buckets
    )


def _exemplars(histogram: Histogram) -> bytes:
    """Return the exemplars, for a histogram without classic buckets to carry them."""
    return b"".join(_exemplar(16, exemplar) for exemplar in histogram.exemplars if exemplar)


def _native(histogram: Histogram) -> bytes:
    """Return the observations in exponential buckets.

    The format has runs of consecutive buckets (spans) and the counts, each as the difference from
    the previous one.
    """
    populated = list(histogram.native.items())
    counts = [0, *(count for _, count in populated)]
    deltas = b"".join(_varint(_zigzag(later - earlier)) for earlier, later in pairwise(counts))
    return b"".join(
        [
            _integer(5, _zigzag(NATIVE_SCHEMA)),
            _number(6, _ZERO_THRESHOLD),
            _integer(7, histogram.zeroes),
            # A span, even an empty one, distinguishes an empty native histogram from a classic one.
            *(
                _message(12, _integer(1, _zigzag(offset)) + _integer(2, length))
                for offset, length in _spans([index for index, _ in populated]) or [(0, 0)]
            ),
            _field(13, _BYTES) + _varint(len(deltas)) + deltas,
        ]
    )


_ZERO_THRESHOLD = 2.0**-128  # the default of the official clients


def _spans(indices: list[int]) -> list[tuple[int, int]]:
    """Return runs of consecutive indexes: the gap before each run, and its length.

    The first gap counts from zero.
    """
    spans: list[tuple[int, int]] = []
    expected = 0
    for index in indices:
        if spans and index == expected:
            spans[-1] = (spans[-1][0], spans[-1][1] + 1)
        else:
            spans.append((index - expected, 1))
        expected = index + 1
    return spans


def _exemplar(field: int, exemplar: Exemplar) -> bytes:
    seconds, fraction = divmod(exemplar.timestamp, 1)
    timestamp = _integer(1, int(seconds)) + _integer(2, int(fraction * 1e9))
    labels = b"".join(_label_pairs({"request_id": exemplar.request_id}))
    return _message(field, labels + _number(2, exemplar.value) + _message(3, timestamp))


def _label_pairs(labels: Mapping[str, str]) -> Iterator[bytes]:
    for name, value in labels.items():
        yield _message(1, _text(1, name) + _text(2, value))


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _message(field: int, content: bytes) -> bytes:
    return _field(field, _BYTES) + _varint(len(content)) + content


def _number(field: int, value: float) -> bytes:
    return _field(field, _DOUBLE) + _double(value)


def _integer(field: int, value: int) -> bytes:
    return _field(field, _VARINT) + _varint(value)


def _field(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _zigzag(value: int) -> int:
    return value * 2 if value >= 0 else -value * 2 - 1


def _varint(value: int) -> bytes:
    """Encode seven bits per byte, lowest first. Negative values don't occur."""
    if value < 0x80:
        return _SINGLE[value]
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


_SINGLE = tuple(bytes([value]) for value in range(0x80))
