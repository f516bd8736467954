"""Reads the protobuf exposition with Google's own library, independently of our writer.

The message descriptions cover the fields that the tests need, from prometheus/client_model's
``metrics.proto``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.decoder import _DecodeVarint32  # type: ignore[attr-defined]

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "double": _Field.TYPE_DOUBLE,
    "uint64": _Field.TYPE_UINT64,
    "int64": _Field.TYPE_INT64,
    "int32": _Field.TYPE_INT32,
    "uint32": _Field.TYPE_UINT32,
    "sint32": _Field.TYPE_SINT32,
    "sint64": _Field.TYPE_SINT64,
}
_MESSAGES: dict[str, list[tuple[int, str, str]]] = {
    "LabelPair": [(1, "name", "string"), (2, "value", "string")],
    "Gauge": [(1, "value", "double")],
    "Timestamp": [(1, "seconds", "int64"), (2, "nanos", "int32")],
    "Exemplar": [(1, "label", "*LabelPair"), (2, "value", "double"), (3, "timestamp", "Timestamp")],
    "Counter": [(1, "value", "double"), (2, "exemplar", "Exemplar")],
    "Bucket": [
        (1, "cumulative_count", "uint64"),
        (2, "upper_bound", "double"),
        (3, "exemplar", "Exemplar"),
    ],
    "BucketSpan": [(1, "offset", "sint32"), (2, "length", "uint32")],
    "Histogram": [
        (1, "sample_count", "uint64"),
        (2, "sample_sum", "double"),
        (3, "bucket", "*Bucket"),
        (5, "schema", "sint32"),
        (6, "zero_threshold", "double"),
        (7, "zero_count", "uint64"),
        (12, "positive_span", "*BucketSpan"),
        (13, "positive_delta", "*sint64"),
        (16, "exemplars", "*Exemplar"),
    ],
    "Metric": [
        (1, "label", "*LabelPair"),
        (2, "gauge", "Gauge"),
        (3, "counter", "Counter"),
        (7, "histogram", "Histogram"),
    ],
    "MetricFamily": [
        (1, "name", "string"),
        (2, "help", "string"),
        (3, "type", "int32"),
        (4, "metric", "*Metric"),
    ],
}


def _family_class() -> type[Any]:
    file = descriptor_pb2.FileDescriptorProto(name="seen.proto", package="seen", syntax="proto2")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for number, name, spelled in fields:
            kind, repeated = spelled.removeprefix("*"), spelled.startswith("*")
            added = described.field.add(name=name, number=number)
            added.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            added.type = _SCALARS.get(kind, _Field.TYPE_MESSAGE)
            if kind not in _SCALARS:
                added.type_name = f".seen.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("seen.MetricFamily"))


_FAMILY = _family_class()


@dataclass
class HistogramMessage:
    count: int = 0
    sum: float = 0.0
    schema: int = 0
    zero_threshold: float = 0.0
    buckets: dict[float, int] = field(default_factory=dict)
    spans: list[tuple[int, int]] = field(default_factory=list)
    deltas: list[int] = field(default_factory=list)

    def native_counts(self) -> list[int]:
        return list(self.native().values())

    def native(self) -> dict[int, int]:
        """Return the counts by bucket, decoded as in the specification of native histograms."""
        counts: dict[int, int] = {}
        index = count = position = 0
        for offset, length in self.spans:
            index += offset
            for _ in range(length):
                count += self.deltas[position]
                position += 1
                counts[index] = count
                index += 1
        return counts


@dataclass
class MetricMessage:
    labels: dict[str, str]
    value: float | None
    histogram: HistogramMessage | None


@dataclass
class FamilyMessage:
    name: str
    type: int
    metrics: list[MetricMessage]


def read_families(body: bytes) -> list[FamilyMessage]:
    """Return the messages of a delimited stream."""
    families, position = [], 0
    while position < len(body):
        length, position = _DecodeVarint32(body, position)
        message = _FAMILY.FromString(body[position : position + length])
        assert not message.FindInitializationErrors()
        position += length
        metrics = [_metric(metric) for metric in message.metric]
        families.append(FamilyMessage(message.name, message.type, metrics))
    return families


def _metric(metric: Any) -> MetricMessage:
    labels = {pair.name: pair.value for pair in metric.label}
    if metric.HasField("histogram"):
        return MetricMessage(labels, None, _histogram(metric.histogram))
    kind = "counter" if metric.HasField("counter") else "gauge"
    return MetricMessage(labels, getattr(metric, kind).value, None)


def _histogram(message: Any) -> HistogramMessage:
    return HistogramMessage(
        count=message.sample_count,
        sum=message.sample_sum,
        schema=message.schema,
        zero_threshold=message.zero_threshold,
        buckets={
            math.inf if math.isinf(bucket.upper_bound) else bucket.upper_bound:
                bucket.cumulative_count
            for bucket in message.bucket
        },
        spans=[(span.offset, span.length) for span in message.positive_span],
        deltas=list(message.positive_delta),
    )  # fmt: skip
