"""Series as text: the Prometheus format or OpenMetrics, by the scraper's ``Accept``."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client.exposition import choose_encoder

from exporter.metrics import Collector


@dataclass(frozen=True, slots=True)
class Rendered:
    """A response body and its content type."""

    body: bytes
    content_type: str


def render(collector: Collector, accept: str) -> Rendered:
    """All series of a collector in the best format that ``accept`` asks for. Exemplars exist
    in OpenMetrics alone."""
    encode, content_type = choose_encoder(accept)
    return Rendered(encode(collector), content_type)
