"""How a result appears in the exposition."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from exporter.coldness import Waiting
from exporter.config.exposed import ExposedMetrics
from exporter.config.plan import Plan
from exporter.config.root import Config
from exporter.metrics.exporter_families import EXPORTER_FAMILIES
from exporter.metrics.exposition import TEXT
from exporter.metrics.registry import Metrics
from exporter.metrics.series import Exposed
from exporter.metrics.target_families import TARGET_FAMILIES
from exporter.result import (
    ConnectionPhases,
    Failure,
    FailureReason,
    ProbeResult,
    RateLimit,
    SkipReason,
    Timeline,
    Usage,
)
from tests.observing import ToldMetrics
from tests.shown import families
from tests.threads import switching_often

MS = 1_000_000
GOOD = ProbeResult(
    target="t",
    probe="p",
    finished_at=1_790_000_000.5,
    timeline=Timeline(
        start=0,
        sent=10 * MS,
        headers=100 * MS,
        first_token=210 * MS,
        first_answer_token=310 * MS,
        last_token=1_210 * MS,
        end=1_215 * MS,
        gaps=(100 * MS, 900 * MS),
        lag=2 * MS,
        uncertainty=1 * MS,
    ),
    usage=Usage(input=1_000, output=11, cached_input=200, cache_write=100, reasoning=3),
    connection=ConnectionPhases(dns_seconds=0.002, tcp_seconds=0.01, tls_seconds=0.03),
    reasoning="hm",
    request_id="req_1",
)
BAD = replace(GOOD, failure=Failure(FailureReason.QUOTA, "pay"), usage=None)


def plan(name: str = "t", **target: Any) -> Plan:
    settings = {"name": name, "provider": "openai", "model": "m", "base_url": "http://127.0.0.1:1"}
    config = {"probes": {"p": {"prompt": "x"}}, "targets": [{**settings, **target}]}
    return Config.model_validate(config).plans()[0]


def samples(shown: Iterable[Exposed]) -> Iterator[tuple[str, dict[str, str], float]]:
    for metric in families(shown):
        for sample in metric.samples:
            yield sample.name, sample.labels, sample.value


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = [
        number
        for sample, given, number in samples(metrics.everything())
        if sample == name and labels.items() <= given.items()
    ]
    assert len(found) == 1, f"{name} {labels}: {found}"
    return found[0]


def shown(**target: Any) -> list[tuple[str, dict[str, str], float]]:
    """Return the samples of a target before any probe."""
    metrics = ToldMetrics()
    metrics.take([plan(**target)])
    return list(samples(metrics.everything()))


@pytest.fixture
def metrics() -> ToldMetrics:
    metrics = ToldMetrics()
    metrics.take([plan()])
    return metrics


def test_every_counter_and_reason_is_there_at_zero_from_the_start(metrics: ToldMetrics) -> None:
    # Only this target is left idle to go cold, and has a cost.
    metrics.take([plan(cold_start={"idle": "10m"}, price={"input": 1, "output": 2})])
    for reason in FailureReason:
        assert value(metrics, "inference_probe_failures_total", reason=reason) == 0
    for skip in SkipReason:
        assert value(metrics, "inference_probes_skipped_total", reason=skip) == 0
    for outcome in ("success", "failure"):
        assert value(metrics, "inference_probes_total", outcome=outcome) == 0
    for name in ("inference_cost_usd_total", "inference_served_model_changes_total"):
        assert value(metrics, name) == 0


@pytest.mark.parametrize(
    ("target", "phases"),
    [
        ({"base_url": "https://api.example.com"}, {"dns", "tcp", "tls"}),
        ({"base_url": "http://api.example.com"}, {"dns", "tcp"}),
        ({"base_url": "https://[::1]:8443"}, {"tcp", "tls"}),
        ({"base_url": "http://127.0.0.1:1"}, {"tcp"}),
    ],
)
def test_a_connection_has_the_phases_that_its_address_asks_for(
    target: dict[str, str], phases: set[str]
) -> None:
    name = "inference_connection_phase_duration_seconds_count"
    assert {labels["phase"] for sample, labels, _ in shown(**target) if sample == name} == phases


@pytest.mark.parametrize(
    ("target", "count"), [({}, 0), ({"cold_start": {"idle": "10m"}}, 1)], ids=["warm", "cold"]
)
def test_only_a_target_that_is_measured_cold_starts_with_histograms_of_it(
    target: dict[str, Any], count: int
) -> None:
    name = "inference_cold_start_duration_seconds_count"
    assert len([sample for sample, _, _ in shown(**target) if sample == name]) == count


def test_a_target_that_is_measured_cold_from_now_on_gets_the_histograms(
    metrics: ToldMetrics,
) -> None:
    metrics.take([plan(cold_start={"idle": "10m"})])
    assert value(metrics, "inference_cold_start_duration_seconds_count") == 0


HOSTED = {"base_url": "https://api.example.com/v1"}
PRICE = {"input": 1, "output": 2}


@pytest.mark.parametrize(
    ("target", "most"), [(HOSTED, 150), ({**HOSTED, "price": PRICE}, 150)], ids=["bare", "priced"]
)
def test_a_hosted_target_has_few_series(target: dict[str, Any], most: int) -> None:
    assert 100 < len([labels for _, labels, _ in shown(**target) if "target" in labels]) <= most


def test_a_model_that_was_never_cold_has_no_series_of_it_until_it_is_not_ready(
    metrics: ToldMetrics,
) -> None:
    def names() -> set[str]:
        return {name for name, _, _ in samples(metrics.everything()) if "cold" in name}

    assert not names()
    assert not [n for n, _, _ in samples(metrics.everything()) if "not_ready" in n]
    metrics.waiting("t", Waiting(since=1.0, detail="loading"))
    assert value(metrics, "inference_not_ready_since_timestamp_seconds") == 1
    assert value(metrics, "inference_not_ready_limit_seconds") > 0
    assert value(metrics, "inference_cold_starts_total", signal="not_ready") == 0
    assert value(metrics, "inference_cold_start_attempts_total") == 0


@pytest.mark.parametrize("classic", [True, False])
@pytest.mark.parametrize("native", [True, False])
def test_the_number_of_series_is_that_of_this_exposition(*, classic: bool, native: bool) -> None:
    metrics = ToldMetrics(ExposedMetrics(classic_histograms=classic))
    metrics.take([plan()])
    everything = list(metrics.everything(native=native))
    (told,) = [n for name, _, n in samples(everything) if name == "inference_exporter_series"]
    if native and not classic:
        assert told == sum(len(b.children) for one in everything for b in one.blocks)
    else:  # protobuf has the classic buckets too
        assert told == len(list(samples(everything)))


def test_only_a_model_that_is_run_takes_tokens() -> None:
    metrics = ToldMetrics()
    config = {"probes": {"p": {"kind": "models"}}, "targets": [plan().target]}
    metrics.take(Config.model_validate(config).plans())
    names = {name for name, labels, _ in samples(metrics.everything()) if "target" in labels}
    assert "inference_probes_total" in names
    assert not names & {"inference_tokens_total", "inference_cost_usd_total"}


def test_every_declared_family_is_exported(metrics: ToldMetrics) -> None:
    exported = {shown.family.name for shown in metrics.everything()}
    for family in (*TARGET_FAMILIES, *EXPORTER_FAMILIES):
        assert family.name in exported


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("inference_time_to_first_token_seconds", 0.2),
        ("inference_time_to_first_answer_token_seconds", 0.3),
        ("inference_time_per_output_token_seconds", 0.1),
        ("inference_output_tokens_per_second", 10),
        ("inference_request_duration_seconds", 1.205),
        ("inference_inter_chunk_latency_seconds", 1.0),
        ("inference_exporter_measurement_lag_seconds", 0.002),
    ],
)
def test_a_success_is_observed(metrics: ToldMetrics, name: str, total: float) -> None:
    metrics.tell(GOOD)
    assert value(metrics, f"{name}_sum") == pytest.approx(total)


def test_the_latest_values_are_exact(metrics: ToldMetrics) -> None:
    metrics.tell(GOOD)
    assert value(metrics, "inference_last_probe_success") == 1
    assert value(metrics, "inference_last_probe_timestamp_seconds") == 1_790_000_000.5
    assert value(metrics, "inference_last_probe_time_to_first_token_seconds") == 0.2
    assert value(metrics, "inference_last_probe_max_stall_seconds") == 0.9


def test_a_failure_counts_with_its_reason_and_has_no_times(metrics: ToldMetrics) -> None:
    metrics.tell(BAD)
    assert value(metrics, "inference_probes_total", outcome="failure") == 1
    assert value(metrics, "inference_probe_failures_total", reason="quota") == 1
    assert value(metrics, "inference_time_to_first_token_seconds_count") == 0
    assert value(metrics, "inference_last_probe_success") == 0
    assert math.isnan(value(metrics, "inference_last_probe_time_to_first_token_seconds"))


def test_connection_phases_are_apart(metrics: ToldMetrics) -> None:
    metrics.tell(GOOD)
    metrics.tell(replace(GOOD, connection=None))
    name = "inference_connection_phase_duration_seconds"
    assert value(metrics, f"{name}_sum", phase="tls") == 0.03
    assert value(metrics, f"{name}_count", phase="dns") == 1


def test_tokens_and_cost_are_counted_even_for_failures() -> None:
    metrics = ToldMetrics()
    metrics.take([plan(price={"input": 2, "cached_input": 0.5, "cache_write": 3, "output": 10})])
    metrics.tell(replace(GOOD, failure=Failure(FailureReason.WRONG_ANSWER, "no")))
    assert value(metrics, "inference_tokens_total", type="input") == 1_000
    assert value(metrics, "inference_tokens_total", type="reasoning") == 3
    by_hand = (700 * 2 + 200 * 0.5 + 100 * 3 + 11 * 10) / 1e6
    assert value(metrics, "inference_cost_usd_total") == pytest.approx(by_hand, rel=1e-12)
    assert value(metrics, "inference_price_usd_per_million_tokens", type="cached_input") == 0.5


def test_an_unknown_price_is_not_a_cost_of_zero() -> None:
    """The series starts at 0 when a reload brings the price."""
    metrics, cost = ToldMetrics(), "inference_cost_usd_total"
    metrics.take([plan()])
    metrics.tell(GOOD)
    assert cost not in {name for name, *_ in samples(metrics.everything())}
    metrics.take([plan(price={"input": 2, "output": 10})])
    assert value(metrics, cost) == 0
    metrics.tell(GOOD)
    metrics.take([plan()])  # what was spent stays
    assert value(metrics, cost) == pytest.approx((1_000 * 2 + 11 * 10) / 1e6, rel=1e-12)


def test_requests_that_were_sent_again_are_counted(metrics: ToldMetrics) -> None:
    metrics.tell(GOOD)
    metrics.tell(replace(GOOD, connection_retries=1))
    assert value(metrics, "inference_connection_retries_total") == 1


def test_what_the_provider_says_is_left_is_shown(metrics: ToldMetrics) -> None:
    metrics.tell(replace(GOOD, rate_limits=(RateLimit("tokens", 1e6, 9e5),)))
    assert value(metrics, "inference_rate_limit_remaining", resource="tokens") == 9e5
    assert value(metrics, "inference_rate_limit_limit", resource="tokens") == 1e6


def test_a_change_of_the_served_model_is_counted_and_replaces_the_old(metrics: ToldMetrics) -> None:
    for served in ("m-1", "m-1", None, "m-2"):
        metrics.tell(replace(GOOD, served_model=served))
    assert value(metrics, "inference_served_model_changes_total") == 1
    assert value(metrics, "inference_target_info", served_model="m-2") == 1
    assert value(metrics, "inference_target_info") == 1


def test_a_hostile_model_name_is_bounded_and_plain(metrics: ToldMetrics) -> None:
    metrics.tell(replace(GOOD, served_model='x"}\n' * 1000))
    info = [given for name, given, _ in samples(metrics.everything()) if "target_info" in name]
    assert len(info[0]["served_model"]) < 100
    assert "\n" not in info[0]["served_model"]


@pytest.mark.parametrize("request_id", ["req_1", "x" * 5_000, 'a"b\nc', "é" * 200])
def test_openmetrics_carries_the_request_id_whatever_it_is(
    metrics: ToldMetrics, request_id: str
) -> None:
    metrics.tell(replace(GOOD, request_id=request_id))
    exemplars = [
        sample.exemplar
        for family in families(metrics.everything())
        for sample in family.samples
        if sample.exemplar
    ]
    assert exemplars
    assert all(0 < len(exemplar.labels["request_id"]) < 100 for exemplar in exemplars)


def test_targets_may_carry_different_labels() -> None:
    metrics = ToldMetrics()
    price = {"input": 1, "output": 2}
    own = {"a": {"team": "search"}, "b": {"stack": "new"}}
    metrics.take([plan(name, labels=labels, price=price) for name, labels in own.items()])
    assert value(metrics, "inference_cost_usd_total", target="a", team="search") == 0
    assert value(metrics, "inference_cost_usd_total", target="b", stack="new") == 0
    names = [shown.family.name for shown in metrics.everything()]
    assert len(names) == len(set(names))


def test_a_reload_keeps_values_where_the_labels_stay() -> None:
    metrics = ToldMetrics()
    metrics.take([plan("t"), plan("gone")])
    metrics.tell(GOOD)
    metrics.take([plan("t", price={"input": 1, "output": 2})])
    assert value(metrics, "inference_probes_total", outcome="success") == 1
    assert value(metrics, "inference_price_usd_per_million_tokens", type="output") == 2
    metrics.take([plan("t", labels={"team": "x"})])
    assert value(metrics, "inference_probes_total", outcome="success") == 0


def test_a_reload_keeps_what_the_tokens_of_a_server_came_to(metrics: ToldMetrics) -> None:
    """Otherwise the value would be missing until the next probe."""
    metrics.take([plan(price={"usd_per_hour": 4})])
    metrics.tell(GOOD)
    name = "inference_usd_per_million_tokens"
    before = value(metrics, name, mix="output")
    metrics.take([plan(price={"usd_per_hour": 4}, interval="5m")])
    assert value(metrics, name, mix="output") == before
    metrics.take([plan(price={"usd_per_hour": 8})])
    assert not [sample for sample, _, _ in samples(metrics.everything()) if sample == name]


def test_no_scrape_falls_between_a_series_and_the_one_that_replaces_it() -> None:
    metrics = ToldMetrics()
    here, there = (
        plan(region=region, price={"input": price, "output": 1}, slo={"success_ratio": 0.9})
        for region, price in (("here", 1), ("there", 2))
    )
    metrics.take([here])
    stop = threading.Event()

    def reload() -> None:
        while not stop.is_set():
            metrics.take([there])
            metrics.take([here])

    with switching_often():
        reloading = threading.Thread(target=reload)
        reloading.start()
        bodies = [TEXT.body(metrics.of_target("t")).decode() for _ in range(500)]
        stop.set()
        reloading.join()
    for text in bodies:
        assert text.count("inference_target_info{") == 1
        assert text.count("inference_price_usd_per_million_tokens{") == 5
        assert text.count("inference_usd_per_million_tokens{") == 2
        assert text.count("inference_slo_objective_ratio{") == 1


def test_a_late_result_of_a_removed_target_is_passed_over(metrics: ToldMetrics) -> None:
    metrics.take([])
    metrics.tell(GOOD)
    assert not [name for name, given, _ in samples(metrics.everything()) if "target" in given]


def test_one_target_can_be_shown_alone() -> None:
    metrics = ToldMetrics()
    metrics.take([plan("a"), plan("b")])
    assert {given["target"] for _, given, _ in samples(metrics.of_target("a"))} == {"a"}
