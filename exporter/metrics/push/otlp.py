"""Series in OpenTelemetry's data model.

Names, labels, and values are the same as in a scrape. Metrics have no unit here, because Prometheus
would append it to the name. Only a scrape has exemplars and native histograms. Source:
OpenTelemetry's "Prometheus and OpenMetrics Compatibility".
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from opentelemetry.sdk.metrics import export as otel
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from exporter import __version__
from exporter.metrics.family import Kind
from exporter.metrics.series import Block, Exposed
from exporter.metrics.values import Counter, Gauge, Histogram

_CUMULATIVE = otel.AggregationTemporality.CUMULATIVE
_STARTED_NS = time.time_ns()


def as_otlp(shown: Iterable[Exposed], resource: Resource) -> otel.MetricsData:
    """Return all families with their current values."""
    now = time.time_ns()
    metrics = [_metric(each, now) for each in shown if each.has_series()]
    scope = InstrumentationScope("inference-exporter", __version__)
    of_scope = otel.ScopeMetrics(scope, metrics, "")
    return otel.MetricsData([otel.ResourceMetrics(resource, [of_scope], "")])


def _metric(shown: Exposed, now: int) -> otel.Metric:
    family = shown.family
    return otel.Metric(family.name, family.help, "", _data(shown, now))


def _data(shown: Exposed, now: int) -> otel.Sum | otel.Gauge | otel.Histogram:
    if shown.family.kind is Kind.HISTOGRAM:
        return otel.Histogram(list(_histograms(shown.blocks, now)), _CUMULATIVE)
    numbers = list(_numbers(shown.blocks, now))
    if shown.family.kind is Kind.COUNTER:
        return otel.Sum(numbers, _CUMULATIVE, is_monotonic=True)
    return otel.Gauge(numbers)


def _numbers(blocks: Iterable[Block], now: int) -> Iterator[otel.NumberDataPoint]:
    for block, own, value in _values(blocks):
        if isinstance(value, Counter | Gauge):
            labels = {**block.labels, **own}
            yield otel.NumberDataPoint(labels, _STARTED_NS, now, value.value)


def _histograms(blocks: Iterable[Block], now: int) -> Iterator[otel.HistogramDataPoint]:
    for block, own, value in _values(blocks):
        if isinstance(value, Histogram):
            with block.lock:  # otherwise the sum could include an observation that the counts don't
                counts, total = [*value.counts], value.sum
            yield otel.HistogramDataPoint(
                attributes={**block.labels, **own},
                start_time_unix_nano=_STARTED_NS,
                time_unix_nano=now,
                count=sum(counts),
                sum=total,
                bucket_counts=counts,
                explicit_bounds=block.family.buckets,
                min=None,  # type: ignore[arg-type]  # unknown, so not sent
                max=None,  # type: ignore[arg-type]
            )


def _values(
    blocks: Iterable[Block],
) -> Iterator[tuple[Block, dict[str, str], Counter | Gauge | Histogram]]:
    for block in blocks:
        with block.lock:
            series = list(block.series())
        for own, value in series:
            yield block, own, value
