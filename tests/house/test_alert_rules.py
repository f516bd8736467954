"""Every alert tells people what is wrong, how much, and what to do. Every rule uses existing
series."""

from __future__ import annotations

import re
from typing import Any

import pytest

from exporter.settings.units import parse_duration
from tests.queries import (
    ROOT,
    RUNBOOKS,
    dashboard,
    panel_queries,
    rule_groups,
    rule_queries,
    rules,
    runbook_queries,
    selectors,
)

ALERTS = [rule for _, rule in rules() if "alert" in rule]
RECORDED = {rule["record"] for _, rule in rules() if "record" in rule}
RUNBOOK_URL = re.compile(r"https://\S+/docs/runbooks/(\w+)\.md")


URGENT = re.compile(r"{{ with printf .+ \| query }}critical{{ else }}(warning){{ end }}")


def by_name(rule: dict[str, Any]) -> str:
    return str(rule["alert"])


def severity(alert: dict[str, Any]) -> str:
    """Return the severity as it is while no error budget burns fast."""
    stated = str(alert["labels"]["severity"])
    urgent = URGENT.fullmatch(stated)
    return urgent[1] if urgent else stated


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_an_alert_is_worth_a_page(alert: dict[str, Any]) -> None:
    assert severity(alert) in {"critical", "warning", "info"}
    annotations = alert["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert "$labels." in annotations["summary"]
    assert len(annotations["description"]) > 60
    assert " Next: " in annotations["description"]


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_the_summary_holds_the_numbers(alert: dict[str, Any]) -> None:
    summary = alert["annotations"]["summary"]
    assert "$value" in summary or "for 5 minutes" in summary or "| query" in summary


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_the_dashboard_shows_the_target_and_the_time(alert: dict[str, Any]) -> None:
    url = alert["annotations"]["dashboard_url"]
    uid = re.match(r"http://localhost:3000/d/([\w-]+)\?", url)
    assert uid
    document = dashboard(ROOT / "dashboards" / "json" / f"{uid[1]}.json")
    known = {f"var-{variable['name']}" for variable in document["templating"]["list"]}
    asked = set(re.findall(r"\b(var-\w+)=", url))
    assert asked
    assert asked <= known
    assert re.search(r"\bfrom=", url)
    assert "&to=" in url


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_the_runbook_exists_and_says_how_to_tell_causes_apart(alert: dict[str, Any]) -> None:
    url = RUNBOOK_URL.fullmatch(alert["annotations"]["runbook_url"])
    assert url
    assert url[1] == alert["alert"]
    page = (ROOT / "docs" / "runbooks" / f"{url[1]}.md").read_text()
    assert page.startswith(f"# {alert['alert']}\n\n{severity(alert).capitalize()}. ")
    for part in ("## Find the cause", "```promql", "\n| ", "## What to do"):
        assert part in page


def test_no_runbook_is_left_over_and_the_list_is_whole() -> None:
    names = [alert["alert"] for alert in ALERTS]
    assert sorted(path.stem for path in RUNBOOKS) == sorted(names)
    index = (ROOT / "docs" / "runbooks" / "README.md").read_text()
    for alert in ALERTS:
        row = f"| [{alert['alert']}]({alert['alert']}.md) | {severity(alert)} |"
        assert row in index.splitlines()


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda path: path.stem)
def test_links_between_runbooks_lead_somewhere(page: Any) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_group_is_evaluated_before_its_values_are_forgotten() -> None:
    """Prometheus looks back 5 minutes, and an evaluation can be late."""
    for _, group in rule_groups():
        assert parse_duration(group.get("interval", "1m")) <= 4 * 60, group["name"]


def test_every_recorded_series_is_read_by_somebody() -> None:
    asked = [*panel_queries(), *rule_queries(), *runbook_queries()]
    read = {s.name for query in asked for s in selectors(query.with_variables({}))}
    assert not RECORDED - read
