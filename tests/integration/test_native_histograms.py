"""A real Prometheus scrapes our native histograms, and computes the right quantiles."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import httpx
import pytest

from benchmarks.serving import serving
from dashboards import expressions
from exporter.config.exposed import ExposedMetrics
from exporter.prometheus.client import Prometheus as Client
from exporter.result import NANOSECONDS, Timeline
from tests.metrics.test_metrics import GOOD, plan
from tests.observing import ToldMetrics
from tests.process import eventually
from tests.prometheus import Prometheus, running_prometheus

SAMPLES = 10_000
MEDIAN_SECONDS, SIGMA = 0.4, 0.6
QUANTILES = (0.5, 0.95, 0.99)
DURATION, MATCHERS = "inference_request_duration_seconds", 'target="t"'
NAME = "inference_time_to_first_token_seconds"


def samples() -> list[float]:
    random = Random(7)
    return sorted(MEDIAN_SECONDS * random.lognormvariate(0, SIGMA) for _ in range(SAMPLES))


def exact(quantile: float) -> float:
    return samples()[int(quantile * SAMPLES)]


def observed(shown: ExposedMetrics) -> ToldMetrics:
    metrics = ToldMetrics(shown)
    metrics.take([plan(base_url="https://api.example.com/v1")])
    for seconds in samples():
        first = round(seconds * NANOSECONDS)
        metrics.tell(replace(GOOD, timeline=Timeline(start=0, sent=0, first_token=first)))
    return metrics


@contextmanager
def scraped(
    program: Path, folder: Path, metrics: ToldMetrics, **options: str
) -> Iterator[Prometheus]:
    with (
        serving(metrics) as url,
        running_prometheus(
            program, folder, url, scrape_native_histograms="true", **options
        ) as server,
    ):
        eventually(
            lambda: server.query(f"histogram_count({NAME})"), lambda found: found == [SAMPLES]
        )
        yield server


@pytest.fixture(scope="module")
def prometheus(
    tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("both")
    both = {"always_scrape_classic_histograms": "true"}
    with scraped(tool("prometheus"), folder, observed(ExposedMetrics()), **both) as server:
        yield server


NATIVE_ALONE = ExposedMetrics(classic_histograms=False)


@pytest.fixture(scope="module")
def native_alone(
    tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("native")
    with scraped(tool("prometheus"), folder, observed(NATIVE_ALONE)) as server:
        yield server


@pytest.fixture(scope="module")
def growing(
    tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ToldMetrics, Prometheus]]:
    """Yield metrics of its own for a test that adds observations."""
    folder, metrics = tmp_path_factory.mktemp("growing"), observed(NATIVE_ALONE)
    with scraped(tool("prometheus"), folder, metrics) as server:
        yield metrics, server


@pytest.mark.parametrize("quantile", QUANTILES)
def test_native_quantiles_are_within_five_percent(prometheus: Prometheus, quantile: float) -> None:
    (found,) = prometheus.answer(f"histogram_quantile({quantile}, {NAME})")
    assert found == pytest.approx(exact(quantile), rel=0.05)


def test_classic_buckets_are_exported_too(prometheus: Prometheus) -> None:
    assert prometheus.answer(f'{NAME}_bucket{{le="+Inf"}}') == [SAMPLES]


@pytest.mark.parametrize("quantile", QUANTILES)
def test_the_same_quantiles_without_classic_buckets(
    native_alone: Prometheus, quantile: float
) -> None:
    (found,) = native_alone.answer(f"histogram_quantile({quantile}, {NAME})")
    assert found == pytest.approx(exact(quantile), rel=0.05)
    assert not native_alone.query('{__name__=~"inference_.+_(bucket|sum|count)"}')


def test_a_target_with_native_histograms_alone_has_few_series(native_alone: Prometheus) -> None:
    assert native_alone.answer('count({target="t"})')[0] <= 60
    ours = 'count({__name__=~"(inference|process|python)_.+"})'
    assert native_alone.answer(ours) == native_alone.answer("inference_exporter_series")


def test_a_comparison_of_the_past_reads_native_histograms(native_alone: Prometheus) -> None:
    with Client(native_alone.url, None) as client:
        now = time.time()
        read = list(client.scraped(f'{{__name__="{NAME}"}}', now - 60, now + 1))
    latest = {one.labels["__name__"]: list(one.samples.values())[-1] for one in read}
    total = pytest.approx(sum(samples()), rel=1e-6)
    assert latest == {f"{NAME}_count": SAMPLES, f"{NAME}_sum": total}


def test_exemplars_come_with_native_histograms(native_alone: Prometheus) -> None:
    answer = httpx.get(
        f"{native_alone.url}/api/v1/query_exemplars",
        params={"query": NAME, "start": "0", "end": str(time.time() + 60)},
    )
    (found,) = json.loads(answer.text)["data"]
    assert {one["labels"]["request_id"] for one in found["exemplars"]} == {"req_1"}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (expressions.quantile(0.5, DURATION, MATCHERS, "target", "1m"), 1.205),
        (expressions.mean(DURATION, MATCHERS, "target").replace(expressions.WINDOW, "1m"), 1.205),
        (f"histogram_count({expressions.distribution_of(DURATION, MATCHERS, '1m')})", None),
        (expressions.observed(DURATION, MATCHERS, "target", "1m"), None),
    ],
    ids=["quantile", "mean", "distribution", "count"],
)
def test_what_dashboards_ask_has_an_answer(
    growing: tuple[ToldMetrics, Prometheus], expression: str, expected: float | None
) -> None:
    metrics, prometheus = growing

    def asked() -> list[float]:
        metrics.tell(GOOD)
        return prometheus.query(expression)

    (found,) = eventually(asked, lambda known: bool(known) and known[0] > 0)
    assert expected is None or found == pytest.approx(expected, rel=0.05)
