"""Every query of every panel, rule, and runbook returns a finite result."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from benchmarks.alert_quality.replay import Tools
from tests.integration.observatory import Observatory, observatory
from tests.process import eventually
from tests.queries import (
    Query,
    panel_queries,
    rule_queries,
    runbook_queries,
    selectors,
    variable_queries,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CHOSEN = {
    "job": ".+", "instance": ".+", "target": "baseline", "probe": ".+",
    "baseline": "baseline", "candidate": "candidate", "__rate_interval": "1m",
    "__interval": "1m", "__range": "5m", "location": ".+",
}  # fmt: skip
PANELS = [*panel_queries(), *variable_queries()]
RECORDED = [query for query in rule_queries() if not query.where.startswith("alerts ")]
ALERTS = [query for query in rule_queries() if query.where.startswith("alerts ")]
RUNBOOKS = list(runbook_queries())
SILENT = re.compile(r" offset (?!\d+s\b)\w+")
"""Offsets of minutes, hours, and days reach back to before the test."""
ONLY_IN_TROUBLE = (
    "ALERTS", "inference_vantage_point:", "slo_bad_probes:increase", "latency:still_slow",
    "affected_ratio", "inference_exporter_shards",
)  # fmt: skip
"""Queries without series while everything is fine, while a target is new, or without shards."""


@pytest.fixture(scope="module")
def seen(
    tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Observatory]:
    tools = Tools(tool("prometheus"), tool("promtool"))
    with observatory(tools, tmp_path_factory.mktemp("observatory")) as watching:
        yield watching


def of(target: str) -> dict[str, str]:
    return {**CHOSEN, "target": target}


def answer(seen: Observatory, query: Query) -> list[float]:
    """Return the first non-empty result, for one target or for all of them."""
    chosen = ("baseline", "sleepy", "vllm", "flaky", "kinds", ".+")
    for target in chosen:
        if values := seen.query(query.with_variables(of(target))):
            return values
    return []


def all_finite(values: list[float]) -> bool:
    return bool(values) and all(map(math.isfinite, values))


@pytest.mark.parametrize("query", PANELS, ids=lambda query: query.where)
def test_a_panel_shows_something(seen: Observatory, query: Query) -> None:
    # A query for changes is empty without one, but its series exist.
    always = replace(query, expression=query.expression.removesuffix(" > 0"))
    # A booting server, and evidence that is still incomplete, have no value for a while.
    known = eventually(lambda: answer(seen, always), all_finite)
    assert known


@pytest.mark.parametrize("query", RECORDED, ids=lambda query: query.where)
def test_a_recording_rule_records_something(seen: Observatory, query: Query) -> None:
    if any(name in query.where + query.expression for name in ONLY_IN_TROUBLE):
        seen.query(query.expression)
        return
    values = eventually(lambda: seen.query(SILENT.sub("", query.expression)))
    assert any(map(math.isfinite, values)), values
    assert not any(map(math.isinf, values)), values


@pytest.mark.parametrize("query", ALERTS, ids=lambda query: query.where)
def test_an_alert_judges_series_that_exist(seen: Observatory, query: Query) -> None:
    seen.query(query.expression)  # it is valid; most alerts have no reason to fire
    for selector in selectors(query.expression):
        if any(name in str(selector) for name in ONLY_IN_TROUBLE):
            continue
        selected = SILENT.sub("", str(selector))
        assert eventually(partial(seen.query, selected)), selected


@pytest.mark.parametrize("query", RUNBOOKS, ids=lambda query: query.where)
def test_a_query_of_a_runbook_is_understood_and_reads_series_that_exist(
    seen: Observatory, query: Query
) -> None:
    seen.query(query.expression)
    for selector in selectors(query.expression):
        if any(name in str(selector) for name in ONLY_IN_TROUBLE):
            continue
        anybody = re.sub(r'(target|instance)="[A-Z]+"', r'\1=~".+"', str(selector))
        assert eventually(partial(seen.query, anybody)), anybody
