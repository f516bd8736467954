"""Series as text: the Prometheus format or OpenMetrics, by the scraper's ``Accept``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

_END = b"# EOF\n"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A response body and its content type."""

    body: bytes
    content_type: str


def render(families: Iterable[Metric], accept: str) -> Rendered:
    """All families in the best format that ``accept`` asks for. Exemplars exist in OpenMetrics
    alone.

    Each family is rendered by itself: one long step over all of them would hold up the thread
    that reads streams, which shares the interpreter.
    """
    encode, content_type = _encoder(accept)
    parts = [encode(_One(family)).removesuffix(_END) for family in families]
    end = _END if content_type.startswith("application/openmetrics-text") else b""
    return Rendered(b"".join([*parts, end]), content_type)


class _One(Collector):
    """A collector of a single family."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return (self._family,)


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # of a version that is no number
        return choose_encoder("")
