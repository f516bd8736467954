"""Objectives: which probes they count, and the metrics that the shared rule file uses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from exporter.kinds import Kind, Models
from exporter.metrics.registry import Metrics
from exporter.result import Failure, FailureReason, Timeline
from tests.metrics.test_metrics import GOOD, MS, plan, samples, value
from tests.observing import ToldMetrics

SLO = {
    "success_ratio": 0.99,
    "time_to_first_token": {"threshold": "200ms", "ratio": 0.95},
    "request_duration": {"threshold": 2, "ratio": 0.9},
}
FAILED = replace(GOOD, failure=Failure(FailureReason.TRUNCATED, ""))


def observed(*results: Any, slo: Any = SLO) -> ToldMetrics:
    metrics = ToldMetrics()
    metrics.take([plan(slo=slo)])
    for result in results:
        metrics.tell(result)
    return metrics


def counts(metrics: Metrics, slo: str) -> tuple[float, float]:
    """Return the number of good probes, and of all counted probes."""
    good = value(metrics, "inference_slo_good_probes_total", slo=slo)
    return good, value(metrics, "inference_slo_probes_total", slo=slo)


def first_token_after(milliseconds: float) -> Any:
    line = Timeline(start=0, sent=0, first_token=int(milliseconds * MS), end=1_000 * MS)
    return replace(GOOD, timeline=line)


def test_objectives_and_thresholds_are_gauges() -> None:
    metrics = observed()
    for slo, ratio in (("success", 0.99), ("time_to_first_token", 0.95), ("request_duration", 0.9)):
        assert value(metrics, "inference_slo_objective_ratio", slo=slo) == ratio
        assert counts(metrics, slo) == (0, 0)
    name = "inference_slo_threshold_seconds"
    assert value(metrics, name, slo="time_to_first_token") == 0.2
    assert value(metrics, name, slo="request_duration") == 2


def test_a_failure_is_charged_to_the_success_objective_alone() -> None:
    metrics = observed(GOOD, FAILED)
    assert counts(metrics, "success") == (1, 2)
    assert counts(metrics, "time_to_first_token") == (1, 1)
    assert counts(metrics, "request_duration") == (1, 1)


def test_a_time_that_is_too_uncertain_is_not_judged() -> None:
    known = first_token_after(1)
    late = replace(known, timeline=replace(known.timeline, uncertainty=50 * MS))
    metrics = observed(late)
    assert counts(metrics, "success") == (1, 1)
    assert counts(metrics, "time_to_first_token") == (0, 0)


@pytest.mark.parametrize(("milliseconds", "good"), [(1, 1), (200, 1), (200.001, 0), (900, 0)])
def test_a_probe_at_the_threshold_is_still_good(milliseconds: float, good: int) -> None:
    metrics = observed(first_token_after(milliseconds))
    assert counts(metrics, "time_to_first_token") == (good, 1)


def test_there_are_no_series_of_objectives_that_are_not_set() -> None:
    metrics = observed(GOOD, slo={"success_ratio": 0.9})
    slos = {labels.get("slo") for _, labels, _ in samples(metrics.everything())}
    assert slos == {None, "success"}


def test_a_list_of_models_has_no_series_for_a_first_token() -> None:
    metrics = ToldMetrics()
    metrics.take([replace(plan(slo=SLO), probe=Models(kind=Kind.MODELS))])
    slos = {labels.get("slo") for _, labels, _ in samples(metrics.everything())}
    assert slos == {None, "success", "request_duration"}


def test_a_reload_moves_the_threshold_and_keeps_the_counts() -> None:
    metrics = observed(first_token_after(300))
    looser = {"threshold": "400ms", "ratio": 0.5}
    metrics.take([plan(slo={"time_to_first_token": looser})])
    metrics.tell(first_token_after(300))
    assert counts(metrics, "time_to_first_token") == (1, 2)
    assert value(metrics, "inference_slo_objective_ratio", slo="time_to_first_token") == 0.5
