"""The rule files as a ``PrometheusRule`` for the Prometheus Operator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

RULE_FILES = (
    "recording-rules.yml",
    "regression-rules.yml",
    "vantage-rules.yml",
    "places-rules.yml",
    "alerts.yml",
)
HEADER = "# Made by `make dashboards` from the rule files beside it. Do not edit.\n"


class _Dumper(yaml.SafeDumper):
    """Writes long expressions as block scalars, which are easier to read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def prometheus_rule_file(root: Path) -> Mapping[Path, str]:
    """Return the file and its content."""
    folder = root / "deploy" / "prometheus"
    groups: list[dict[str, Any]] = []
    for name in RULE_FILES:
        if (folder / name).exists():
            groups += yaml.safe_load((folder / name).read_text())["groups"]
    document = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "inference-exporter",
            "labels": {"app.kubernetes.io/name": "inference-exporter"},
        },
        "spec": {"groups": groups},
    }
    return {folder / "prometheusrule.yaml": HEADER + dumped(document)}


def dumped(document: Any) -> str:
    """Format a document as readable YAML."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
