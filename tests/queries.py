"""Every PromQL query of the dashboards, rules, and runbooks, and what it selects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml

ROOT = Path(__file__).parents[1]
DASHBOARDS = sorted((ROOT / "dashboards" / "json").glob("*.json"))
RULES = ROOT / "deploy" / "prometheus"
RULE_FILES = [*sorted(RULES.glob("*-rules.yml")), RULES / "alerts.yml"]
RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("Inference*.md"))

GRAFANA_VARIABLES = {"__rate_interval": "5m", "__interval": "5m", "__range": "1h"}
_LABEL_VALUES = re.compile(r"label_values\((.+), \w+\)")
_PROMQL_BLOCK = re.compile(r"```promql\n(.+?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Query:
    """One expression and its location."""

    where: str
    expression: str

    def with_variables(self, values: Mapping[str, str]) -> str:
        """Return the expression with Grafana's variables filled in."""
        expression = self.expression
        for name, value in {**GRAFANA_VARIABLES, **values}.items():
            expression = re.sub(rf"\$({name}\b|{{{name}}})", value, expression)
        return expression


def dashboard(path: Path) -> dict[str, Any]:
    """Return a dashboard's JSON."""
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def panels(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels with queries."""
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def panel_queries() -> Iterator[Query]:
    for path in DASHBOARDS:
        document = dashboard(path)
        for panel in panels(document):
            for target in panel["targets"]:
                yield Query(f"{path.stem} / {panel['title']} / {target['refId']}", target["expr"])
        for annotation in document["annotations"].get("list", []):
            yield Query(f"{path.stem} / {annotation['name']}", annotation["expr"])


def variable_queries() -> Iterator[Query]:
    for path in DASHBOARDS:
        for variable in dashboard(path)["templating"]["list"]:
            if variable["type"] == "query":
                match = _LABEL_VALUES.fullmatch(variable["query"])
                assert match, variable
                yield Query(f"{path.stem} / ${variable['name']}", match[1])


def rule_groups() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every group of rules with its file."""
    for path in RULE_FILES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield path, group


def rules() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every rule with its file."""
    for path, group in rule_groups():
        for rule in group["rules"]:
            yield path, rule


def rule_queries() -> Iterator[Query]:
    for path, rule in rules():
        yield Query(f"{path.stem} / {rule.get('alert') or rule['record']}", rule["expr"])


def runbook_queries() -> Iterator[Query]:
    for path in RUNBOOKS:
        for number, block in enumerate(_PROMQL_BLOCK.findall(path.read_text()), 1):
            yield Query(f"{path.stem} / {number}", block)


def selectors(expression: str) -> list[promql.VectorSelector]:
    """Return all selectors of an expression, at any depth."""
    found: list[promql.VectorSelector] = []

    def visit(node: promql.Expr) -> bool:
        if isinstance(node, promql.VectorSelector):
            found.append(node)
        return True

    promql.walk(promql.parse(expression), visit)
    return found
