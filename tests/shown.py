"""Exposed series, parsed by the official client library."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.metrics.exposition import OPENMETRICS
from exporter.metrics.series import Exposed


def families(shown: Iterable[Exposed]) -> list[Metric]:
    """Return the families as a scraper sees them."""
    text = OPENMETRICS.body(shown).decode()
    return list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
