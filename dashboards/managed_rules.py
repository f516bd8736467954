"""The alerts as Grafana-managed rules, from the same files as the rules for Prometheus.

Grafana's rules can't use queries in their texts and can't inhibit each other. The texts therefore
omit the results of queries, and the expressions exclude what ``alertmanager.yml`` inhibits. The
recording rules stay in Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dashboards.operator import dumped

HEADER = "# Made by `make dashboards` from deploy/prometheus. Do not edit.\n"
_ASKED = re.compile(
    r"\{\{-? with (?:printf|query)[^}]*(?:\}[^}]+)*?\}\}.*?\{\{-? end \}\}", re.DOTALL
)
_TIMES = re.compile(r"from=\{\{.*$", re.DOTALL)
_MEMORY = re.compile(
    r"\s*unless on \(job, namespace, location, target\)\s*"
    r"(?:max_over_time\(ALERTS\{[^}]*\}\[\w+\]\)|\(\s*max_over_time\(ALERTS.*?\}\s*\))",
    re.DOTALL,
)


def grafana_rules_file(root: Path) -> Mapping[Path, str]:
    """Return the provisioning file and its content."""
    folder = root / "deploy" / "prometheus"
    groups = yaml.safe_load((folder / "alerts.yml").read_text())["groups"]
    inhibitions = yaml.safe_load((folder / "alertmanager.yml").read_text())["inhibit_rules"]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    document = {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": group["name"],
                "folder": "inference-exporter",
                "interval": "1m",
                "rules": [_rule(rule, rules, inhibitions) for rule in group["rules"]],
            }
            for group in groups
        ],
    }
    path = root / "deploy" / "grafana" / "inference-alerts.yaml"
    return {path: HEADER + dumped(document)}


def _rule(
    rule: Mapping[str, Any], rules: Mapping[str, Mapping[str, Any]], inhibitions: Sequence[Any]
) -> dict[str, Any]:
    name = str(rule["alert"])
    expression = _expression(rule)
    for cause, labels in _causes(name, inhibitions):
        if _severity(rule) == "critical" != _severity(rules[cause]):
            continue  # a ticket must not silence a page
        expression = (
            f"({expression})\nunless on ({', '.join(labels)})\n({_expression(rules[cause])})"
        )
    query = {"refId": "A", "expr": expression, "instant": True}
    fires = {"refId": "B", "type": "math", "expression": "is_number($A)"}
    return {
        "uid": re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()[:40],
        "title": name,
        "condition": "B",
        "data": [
            {
                "refId": "A",
                "relativeTimeRange": {"from": 600, "to": 0},
                "datasourceUid": "prometheus",
                "model": query,
            },
            {
                "refId": "B",
                "relativeTimeRange": {"from": 0, "to": 0},
                "datasourceUid": "__expr__",
                "model": fires,
            },
        ],
        "noDataState": "OK",
        "execErrState": "Error",
        "for": rule.get("for", "0s"),
        "annotations": {key: _text(value) for key, value in rule["annotations"].items()},
        "labels": {"severity": _severity(rule)},
    }


def _expression(rule: Mapping[str, Any]) -> str:
    return _MEMORY.sub("", rule["expr"]).strip("\n")


def _severity(rule: Mapping[str, Any]) -> str:
    """Return the severity without urgency, because Grafana's labels can't use queries."""
    return re.sub(r".*\{\{ else \}\}(\w+)\{\{ end \}\}", r"\1", str(rule["labels"]["severity"]))


def _causes(name: str, inhibitions: Sequence[Any]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the alerts that inhibit this one regardless of other labels, and the equal labels."""
    for inhibition in inhibitions:
        if len(inhibition["target_matchers"]) > 1:
            continue
        (source,), (target,) = (
            re.findall(r'^alertname=~?"(.+)"$', inhibition[key][0])
            for key in ("source_matchers", "target_matchers")
        )
        if re.fullmatch(target, name):
            yield source, inhibition["equal"]


def _text(text: str) -> str:
    """Remove the parts of a text that need queries."""
    text = _TIMES.sub("from=now-6h&to=now", text)
    return _ASKED.sub("", text).replace("$value", "$values.A.Value").replace("urlquery", "")
