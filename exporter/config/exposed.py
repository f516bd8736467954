"""Configuration of what /metrics shows."""

from __future__ import annotations

from exporter.settings.types import Model


class ExposedMetrics(Model):
    """What /metrics shows."""

    classic_histograms: bool = True
    """Whether histograms have classic buckets, each of which is a series, beside the native ones.
    Those come with protobuf alone, which Prometheus asks for with ``scrape_native_histograms``."""
