"""The two text formats: Prometheus text, and OpenMetrics, which has exemplars.

Sources: "Exposition formats" in the Prometheus documentation; the OpenMetrics 1.0 specification.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import accumulate

from exporter.metrics.family import Family, Kind
from exporter.metrics.series import Block
from exporter.metrics.values import Counter, Exemplar, Gauge, Histogram

Cell = tuple[str, int, Exemplar | None]
"""The upper bound of a bucket, its cumulative count, and its exemplar."""
_UNBOUNDED = "+Inf"


def prometheus_head(family: Family, _bytes: int) -> bytes:
    """Return what comes before the series of a family."""
    return _head(family, family.name, _escaped_line(family.help))


def openmetrics_head(family: Family, _bytes: int) -> bytes:
    """Do the same for OpenMetrics, where only a counter's sample has the suffix ``_total``."""
    name = family.name
    base = name.removesuffix("_total") if family.kind is Kind.COUNTER else name
    return _head(family, base, _escaped(family.help))


def _head(family: Family, name: str, help_text: str) -> bytes:
    return f"# HELP {name} {help_text}\n# TYPE {name} {family.kind}\n".encode()


def prometheus_block(block: Block) -> bytes:
    """Return the series of a block, without exemplars."""
    return "".join(_lines(block, exemplars=False)).encode()


def openmetrics_block(block: Block) -> bytes:
    """Return the series of a block, with exemplars."""
    return "".join(_lines(block, exemplars=True)).encode()


def _lines(block: Block, *, exemplars: bool) -> Iterator[str]:
    common = _labels(block.labels)
    name = block.family.name
    for own, child in block.series():
        labels = ",".join(filter(None, (common, _labels(own))))
        match child:
            case Histogram():
                yield from _histogram_lines(block, child, labels, exemplars)
            case Counter():
                exemplar = _exemplar(child.exemplar) if exemplars else ""
                yield f"{name}{_braced(labels)} {number(child.value)}{exemplar}\n"
            case Gauge():
                yield f"{name}{_braced(labels)} {number(child.value)}\n"


def _histogram_lines(
    block: Block, histogram: Histogram, labels: str, exemplars: bool
) -> Iterator[str]:
    name, before = block.family.name, f"{labels}," if labels else ""
    total = sum(histogram.counts)
    cells: Iterable[Cell] = [(_UNBOUNDED, total, histogram.latest_exemplar)]
    if block.classic:
        counts = accumulate(histogram.counts)
        cells = zip(_bounds(block.family), counts, histogram.exemplars, strict=True)
    for bound, count, seen in cells:
        exemplar = _exemplar(seen) if exemplars else ""
        yield f'{name}_bucket{{{before}le="{bound}"}} {count}{exemplar}\n'
    yield f"{name}_count{_braced(labels)} {total}\n"
    yield f"{name}_sum{_braced(labels)} {number(histogram.sum)}\n"


@lru_cache(maxsize=256)
def _bounds(family: Family) -> tuple[str, ...]:
    return (*(number(float(bound)) for bound in family.buckets), _UNBOUNDED)


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(text: str) -> str:
    return _escaped_line(text).replace('"', r"\"")


def _escaped_line(text: str) -> str:
    """Escape a text that has no quotation marks around it. ``str.translate`` takes ten times as
    long."""
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _braced(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


def _exemplar(exemplar: Exemplar | None) -> str:
    if exemplar is None:
        return ""
    value = number(exemplar.value)
    return f' # {{request_id="{_escaped(exemplar.request_id)}"}} {value} {exemplar.timestamp:.3f}'


def number(value: float) -> str:
    """Format a value for both formats."""
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
