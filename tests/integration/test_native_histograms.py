"""A real Prometheus takes native histograms from us, and finds the right quantiles in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from benchmarks.serving import serving
from exporter.result import NANOSECONDS, Timeline
from tests.metrics.test_metrics import GOOD, plan
from tests.observing import ToldMetrics
from tests.process import eventually
from tests.prometheus import Prometheus, running_prometheus

SAMPLES = 10_000
MEDIAN_SECONDS, SIGMA = 0.4, 0.6
QUANTILES = (0.5, 0.95, 0.99)
NAME = "inference_time_to_first_token_seconds"


def samples() -> list[float]:
    random = Random(7)
    return sorted(MEDIAN_SECONDS * random.lognormvariate(0, SIGMA) for _ in range(SAMPLES))


def exact(quantile: float) -> float:
    return samples()[int(quantile * SAMPLES)]


@pytest.fixture(scope="module")
def prometheus(
    tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    metrics = ToldMetrics()
    metrics.take([plan()])
    for seconds in samples():
        first = round(seconds * NANOSECONDS)
        metrics.tell(replace(GOOD, timeline=Timeline(start=0, sent=0, first_token=first)))
    with (
        serving(metrics) as url,
        running_prometheus(
            tool("prometheus"),
            tmp_path_factory.mktemp("prometheus"),
            url,
            scrape_native_histograms="true",
            always_scrape_classic_histograms="true",
        ) as server,
    ):
        eventually(
            lambda: server.query(f"histogram_count({NAME})"), lambda found: found == [SAMPLES]
        )
        yield server


@pytest.mark.parametrize("quantile", QUANTILES)
def test_native_quantiles_are_within_five_percent(prometheus: Prometheus, quantile: float) -> None:
    (found,) = prometheus.query(f"histogram_quantile({quantile}, {NAME})")
    assert found == pytest.approx(exact(quantile), rel=0.05)


def test_the_classic_buckets_stand_beside_them(prometheus: Prometheus) -> None:
    assert prometheus.query(f'{NAME}_bucket{{le="+Inf"}}') == [SAMPLES]
