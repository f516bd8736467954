"""The dashboards match their code, pass Grafana's dashboard-linter, and query declared metrics."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml

from dashboards.real import (
    FAILED,
    GATEWAY_DURATION,
    GATEWAY_FIRST_TOKEN,
    REQUESTS,
    SERVER_DURATION,
    SERVER_REQUESTS,
)
from dashboards.target_server import CACHE, FIRST_TOKEN, QUEUE, RUNNING, WAITING
from exporter.metrics.exporter_families import EXPORTER_FAMILIES
from exporter.metrics.family import Kind
from exporter.metrics.target_families import TARGET_FAMILIES
from tests.queries import (
    DASHBOARDS,
    ROOT,
    Query,
    dashboard,
    panel_queries,
    panels,
    rule_queries,
    rules,
    runbook_queries,
    selectors,
    variable_queries,
)

UNITS = {
    "none", "short", "percentunit", "bytes", "currencyUSD", "s", "ops", "bool_yes_no",
}  # fmt: skip
"""The panel types in use. All are Grafana's own."""
REAL_TIMES = (GATEWAY_FIRST_TOKEN, GATEWAY_DURATION, SERVER_DURATION)
NOT_OURS = {
    "up", "ALERTS", "scrape_duration_seconds",
    "process_cpu_seconds_total", "process_resident_memory_bytes",
    "vllm:time_to_first_token_seconds_bucket", *RUNNING, *WAITING, *CACHE,
    REQUESTS, FAILED, SERVER_REQUESTS,
    *(f"{name}_{part}" for name in REAL_TIMES for part in ("sum", "count")),
    *(f"{name}_{part}" for name in (*FIRST_TOKEN, *QUEUE) for part in ("sum", "count")),
}  # fmt: skip
"""Series of Prometheus, of the client library, of model servers, and of gateways."""
NOT_SHOWN: dict[str, str] = {}
"""Metrics that no query uses, with the reason."""

ALL = {"target": ".+", "probe": ".+", "job": ".+", "instance": ".+"}


def test_what_is_built_is_in_step_with_its_source() -> None:
    command = [sys.executable, "-m", "dashboards", "--check"]
    check = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_found_linked_and_provisioned(path: Path) -> None:
    document = dashboard(path)
    assert document["uid"] == path.stem
    assert document["title"].startswith("Inference / ")
    assert document["description"]
    assert document["tags"] == ["inference-exporter"]
    assert [link["tags"] for link in document["links"]] == [["inference-exporter"]]
    numbers = [panel["id"] for panel in document["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_panels_do_not_overlap() -> None:
    for path in DASHBOARDS:
        taken: set[tuple[int, int]] = set()
        for panel in dashboard(path)["panels"]:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24
            cells = {
                (x, y)
                for x in range(at["x"], at["x"] + at["w"])
                for y in range(at["y"], at["y"] + at["h"])
            }
            assert not cells & taken, panel["title"]
            taken |= cells


def test_without_a_price_no_cost_is_counted_and_none_shown_as_zero() -> None:
    (table,) = (
        panel
        for panel in panels(dashboard(ROOT / "dashboards" / "json" / "inference-fleet.json"))
        if panel["type"] == "table"
    )
    cells = {
        override["matcher"]["options"]: {
            each["id"]: each["value"] for each in override["properties"]
        }
        for override in table["fieldConfig"]["overrides"]
    }
    costs = [cell for cell in cells.values() if cell.get("unit") == "currencyUSD"]
    assert [cell.get("noValue") for cell in costs] == ["none counted"] * 2
    for path in DASHBOARDS:
        for panel in panels(dashboard(path)):
            asks_for_cost = any("inference_cost_usd" in one["expr"] for one in panel["targets"])
            if asks_for_cost and panel["type"] != "table":
                assert panel["fieldConfig"]["defaults"]["noValue"] == "none counted", panel["title"]


# The rules of grafana/dashboard-linter, by their names.


def complaints(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the rule, the panel, and the problem."""
    if document["editable"]:
        yield "uneditable-dashboard", "", "is editable"
    yield from ((rule, "", what) for rule, what in _of_variables(document["templating"]["list"]))
    for panel in panels(document):
        for rule, what in _of_panel(panel):
            yield rule, panel["title"], what


def _of_variables(variables: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    sources = [v for v in variables if v["type"] == "datasource"]
    if [(v["name"], v["label"], v["query"]) for v in sources] != [
        ("datasource", "Data source", "prometheus")
    ]:
        yield "template-datasource-rule", "needs one data source variable"
    named = {variable["name"]: variable for variable in variables}
    for name in ("job", "instance"):
        variable = named[name]
        expected = (name.title(), "query", True, ".+", "$datasource")
        found = (variable["label"], variable["type"], variable["multi"], variable["allValue"])
        if (*found, variable["datasource"]["uid"]) != expected:
            yield f"template-{name}-rule", "is not as it should be"
    for variable in variables:
        if variable["type"] == "query" and variable["refresh"] != 2:
            yield "template-on-time-change-reload-rule", variable["name"]


def _of_panel(panel: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if not panel["title"] or not panel.get("description"):
        yield "panel-title-description-rule", "has no title or no description"
    if panel["datasource"]["uid"] != "$datasource":
        yield "panel-datasource-rule", "does not use the variable"
    if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
        yield "panel-units-rule", "has no known unit"
    if not panel["targets"]:
        yield "panel-no-targets-rule", "asks for nothing"
    for target in panel["targets"]:
        yield from _of_query(target["expr"])


def _of_query(expression: str) -> Iterator[tuple[str, str]]:
    filled = Query("", expression).with_variables({})
    for selector in selectors(filled):
        matchers = {matcher.name: str(matcher) for matcher in selector.matchers.matchers}
        for name in ("job", "instance"):
            if matchers.get(name) != f'{name}=~"${name}"':
                yield f"target-{name}-rule", str(selector)
    marked = Query("", expression).with_variables({"__rate_interval": "7m"})
    for call, argument in _ranges(promql.parse(marked)):
        if call in ("rate", "irate") and argument.range.total_seconds() != 420:
            yield "target-rate-interval-rule", str(argument)
        if str(argument.vector_selector.name).endswith("_total") and call not in COUNTED_BY:
            yield "target-counter-agg-rule", str(argument)


COUNTED_BY = {"rate", "irate", "increase"}


def _ranges(expression: promql.Expr) -> Iterator[tuple[str, promql.MatrixSelector]]:
    found: list[tuple[str, promql.MatrixSelector]] = []

    def visit(node: promql.Expr) -> bool:
        if isinstance(node, promql.Call):
            ranges = (part for part in node.args if isinstance(part, promql.MatrixSelector))
            found.extend((node.func.name, part) for part in ranges)
        return True

    promql.walk(expression, visit)
    yield from found


def excluded() -> set[tuple[str, str, str]]:
    """Return the exceptions in ``dashboards/.lint``: rule, dashboard, and panel."""
    exclusions = yaml.safe_load((ROOT / "dashboards" / ".lint").read_text())["exclusions"]
    return {
        (rule, entry["dashboard"], entry["panel"])
        for rule, exclusion in exclusions.items()
        for entry in exclusion["entries"]
    }


def test_the_linter_has_nothing_to_complain_about_but_what_is_excluded_with_a_reason() -> None:
    found = {
        (rule, document["title"], panel)
        for document in map(dashboard, DASHBOARDS)
        for rule, panel, _ in complaints(document)
    }
    assert found == excluded()


# Which series the queries use.


def everything_asked() -> list[Query]:
    return [*panel_queries(), *variable_queries(), *rule_queries(), *runbook_queries()]


def series_of_families() -> dict[str, str]:
    """Return the names of the exporter's series, with the family of each."""
    names = {}
    for family in (*TARGET_FAMILIES, *EXPORTER_FAMILIES):
        names[family.name] = family.name
        if family.kind is Kind.HISTOGRAM:
            names |= {f"{family.name}_{part}": family.name for part in ("bucket", "sum", "count")}
    return names


def names_read(query: Query) -> set[str]:
    return {str(s.name) for s in selectors(query.with_variables(ALL)) if s.name}


@pytest.mark.parametrize("query", everything_asked(), ids=lambda query: query.where)
def test_a_query_reads_only_what_exists(query: Query) -> None:
    recorded = {rule["record"] for _, rule in rules() if "record" in rule}
    assert names_read(query) <= series_of_families().keys() | recorded | NOT_OURS


def test_every_metric_is_read_by_a_query_or_left_out_on_purpose() -> None:
    families = series_of_families()
    read = {families.get(name) for query in everything_asked() for name in names_read(query)}
    assert set(families.values()) - read == NOT_SHOWN.keys()
