"""Configuration of the series on /metrics."""

from __future__ import annotations

from exporter.settings.types import Model


class ExposedMetrics(Model):
    """The series on /metrics."""

    classic_histograms: bool = True
    """Whether histograms have classic buckets, each of them a series, in addition to native ones.
    Native buckets need the protobuf format, which Prometheus requests with
    ``scrape_native_histograms``."""
