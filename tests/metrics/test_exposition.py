"""Three formats, each parsed by an independent parser."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.metrics.exposition import OPENMETRICS, PROTOBUF, TEXT, Format, negotiated
from exporter.metrics.family import Family, Kind
from exporter.metrics.series import Series, exposed
from exporter.metrics.values import native_index
from tests.metrics.protobuf_reader import HistogramMessage, read_families
from tests.threads import switching_often

WORDS = Family("words_total", Kind.COUNTER, "Words\nof \\ every sort.", {"sort": ()})
LEVEL = Family("level", Kind.GAUGE, "How full it is.")
WAIT = Family("wait_seconds", Kind.HISTOGRAM, "A wait.", {"phase": ()}, (0.1, 1, 10))
ALL = (WORDS, LEVEL, WAIT)
TRICKY = 'a "quoted" \\ line\nand é'


@pytest.fixture
def series() -> Series:
    series = Series(ALL, {"target": TRICKY})
    series.begin()
    series.counter(WORDS, sort="long").inc(3, exemplar="req_1")
    series.counter(WORDS, sort="short")
    series.gauge(LEVEL).set(math.nan)
    for value in (0.05, 0.1, 0.5, 99):
        series.histogram(WAIT, phase="dns").observe(value, exemplar="req_2")
    series.histogram(WAIT, phase="tcp")
    return series


def official(registry: CollectorRegistry) -> None:
    """Create the same series with the official client library."""
    words = Counter("words", WORDS.help, ("target", "sort"), registry=registry)
    words.labels(TRICKY, "long").inc(3)
    words.labels(TRICKY, "short")
    level = Gauge("level", LEVEL.help, ("target",), registry=registry)
    level.labels(TRICKY).set(math.nan)
    wait = Histogram(
        "wait_seconds", WAIT.help, ("target", "phase"), registry=registry, buckets=WAIT.buckets
    )
    for value in (0.05, 0.1, 0.5, 99):
        wait.labels(TRICKY, "dns").observe(value)
    wait.labels(TRICKY, "tcp")


def body(format_: Format, series: Series) -> bytes:
    return format_.body(exposed(ALL, [series]))


Facts = set[tuple[str, tuple[tuple[str, str], ...], str]]


def facts(families: Iterable[Metric]) -> Facts:
    """Return names, labels, and values, without what only one side has."""
    return {
        (sample.name, tuple(sorted(sample.labels.items())), repr(float(sample.value)))
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_plain_text_says_what_the_official_library_says(series: Series) -> None:
    registry = CollectorRegistry()
    official(registry)
    theirs = parse_text(generate_latest(registry).decode())
    assert facts(parse_text(body(TEXT, series).decode())) == facts(theirs)


def test_openmetrics_says_the_same_and_carries_exemplars(series: Series) -> None:
    text = body(OPENMETRICS, series).decode()
    families = list(parse_openmetrics(text))  # type: ignore[no-untyped-call]
    assert facts(families) == facts(parse_text(body(TEXT, series).decode()))
    found = {
        sample.exemplar.labels["request_id"]: sample.exemplar.value
        for family in families
        for sample in family.samples
        if sample.exemplar
    }
    assert found == {"req_1": 3, "req_2": 99}
    assert text.count("# EOF") == 1


def test_protobuf_says_the_same(series: Series) -> None:
    families = read_families(body(PROTOBUF, series))
    assert [family.name for family in families] == [family.name for family in ALL]
    words, level, wait = families
    assert {metric.labels["sort"]: metric.value for metric in words.metrics} == {
        "long": 3,
        "short": 0,
    }
    assert words.metrics[0].labels["target"] == TRICKY
    assert math.isnan(level.metrics[0].value or 0)
    histogram = wait.metrics[0].histogram
    assert histogram
    assert histogram.count == 4
    assert histogram.sum == pytest.approx(99.65)
    assert histogram.buckets == {0.1: 2, 1: 3, 10: 3, math.inf: 4}
    assert histogram.native_counts() == [1, 1, 1, 1]


def test_an_empty_histogram_is_still_known_as_a_native_one(series: Series) -> None:
    empty = read_families(body(PROTOBUF, series))[2].metrics[1].histogram
    assert empty == HistogramMessage(
        schema=3, zero_threshold=2**-128, buckets=dict.fromkeys((0.1, 1, 10, math.inf), 0),
        spans=[(0, 0)],
    )  # fmt: skip


def test_without_classic_buckets_a_histogram_is_one_series_of_protobuf() -> None:
    series = Series([WAIT], {"target": "t"}, classic=False)
    for value in (0.05, 0.1, 0.5, 99):
        series.histogram(WAIT, phase="dns").observe(value, exemplar=f"req_{value}")
    (shown,) = exposed([WAIT], [series])
    histogram = read_families(PROTOBUF.body([shown]))[0].metrics[0].histogram
    assert histogram
    assert histogram.count == 4
    assert histogram.sum == pytest.approx(99.65)
    assert histogram.native_counts() == [1, 1, 1, 1]
    assert not histogram.buckets
    assert shown.size(native=True) == 1


def test_without_classic_buckets_texts_have_the_sum_and_the_count() -> None:
    series = Series([WAIT], {"target": "t"}, classic=False)
    for value in (99, 0.5):
        series.histogram(WAIT, phase="dns").observe(value, exemplar=f"req_{value}")
    (shown,) = exposed([WAIT], [series])
    text = OPENMETRICS.body([shown]).decode()
    (family,) = parse_openmetrics(text)  # type: ignore[no-untyped-call]
    found = {sample.name: sample.value for sample in family.samples}
    assert found == {"wait_seconds_bucket": 2, "wait_seconds_count": 2, "wait_seconds_sum": 99.5}
    assert family.samples[0].exemplar.labels == {"request_id": "req_0.5"}
    assert shown.size(native=False) == len(family.samples)


@given(st.floats(min_value=1e-30, max_value=1e30))
def test_a_native_bucket_holds_its_value(value: float) -> None:
    index = native_index(value)
    assert 2 ** ((index - 1) / 8) * (1 - 1e-12) <= value <= 2 ** (index / 8) * (1 + 1e-12)


@pytest.mark.parametrize(("value", "index"), [(1, 0), (2, 8), (0.5, -8), (1.0001, 1), (4, 16)])
def test_bounds_belong_to_the_bucket_below_them(value: float, index: int) -> None:
    assert native_index(value) == index


@given(st.lists(st.floats(1e-6, 1e6), max_size=60))
def test_spans_and_deltas_add_up_to_what_was_observed(values: list[float]) -> None:
    series = Series([WAIT], {})
    series.begin()
    for value in values:
        series.histogram(WAIT, phase="dns").observe(value)
    if not values:
        return
    histogram = read_families(PROTOBUF.body(exposed([WAIT], [series])))[0].metrics[0].histogram
    assert histogram
    counted: dict[int, int] = {}
    for value in values:
        counted[native_index(value)] = counted.get(native_index(value), 0) + 1
    assert histogram.native() == counted
    assert histogram.count == len(values)


def test_a_rendering_is_kept_until_something_changes(series: Series) -> None:
    block = series.block(WAIT)
    first = block.rendered(TEXT.block)
    assert block.rendered(TEXT.block) is first
    series.histogram(WAIT, phase="tcp").observe(1)
    series.freshen()
    second = block.rendered(TEXT.block)
    assert second != first
    assert block.rendered(TEXT.block) is second


def test_a_family_without_series_is_left_out(series: Series) -> None:
    series.replace(LEVEL)
    for format_ in (TEXT, OPENMETRICS, PROTOBUF):
        assert b"level" not in body(format_, series)


def test_counters_never_fall(series: Series) -> None:
    with pytest.raises(ValueError, match="only grow"):
        series.counter(WORDS, sort="long").inc(-1)


PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
WITH_NATIVE_HISTOGRAMS = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
    f"q=0.7,{PROMETHEUS_3}"
)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/plain;version=x", TEXT),
        (";;;,,,q=\0", TEXT),
        ("application/openmetrics-text;version=abc", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.5", TEXT),
        ("application/openmetrics-text;version=1.0.0;q=0,text/plain;q=0.5", TEXT),
        ("application/vnd.google.protobuf", TEXT),
        (PROMETHEUS_3, OPENMETRICS),
        (WITH_NATIVE_HISTOGRAMS, PROTOBUF),
    ],
)
def test_the_scraper_gets_the_format_that_it_likes_best(accept: str, wanted: Format) -> None:
    assert negotiated(accept) is wanted


def test_a_rendering_never_shows_half_a_change(series: Series) -> None:
    """Prometheus rejects a native histogram whose buckets don't add up to its count."""
    wait = series.histogram(WAIT, phase="dns")

    def observe() -> None:
        for number in range(1, 20_001):
            wait.observe(number / 1000)

    with switching_often():
        observing = threading.Thread(target=observe)
        observing.start()
        bodies: list[bytes] = []
        while observing.is_alive():
            bodies.append(body(PROTOBUF, series))
        observing.join()
    for histogram in map(waiting, bodies[::10]):
        assert sum(histogram.native_counts()) == histogram.count
    assert waiting(body(PROTOBUF, series)).count == 20_004


def waiting(shown: bytes) -> HistogramMessage:
    histogram = read_families(shown)[2].metrics[0].histogram
    assert histogram
    return histogram
