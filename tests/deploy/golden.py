"""The last reviewed output of the renderers. To update it, run ``python -m
tests.deploy.golden``."""

from __future__ import annotations

import copy
from pathlib import Path

import yaml

from tests.conftest import find_tool
from tests.deploy.variants import VARIANTS, Document, Variant

EXPECTED = Path(__file__).parent / "expected"


def golden_file(variant: Variant) -> Path:
    return EXPECTED / f"{variant.name}.yaml"


def golden_text(documents: list[Document]) -> str:
    """Return the documents without dashboards and rules, which have their own files and tests."""
    shown = copy.deepcopy(documents)
    for document in shown:
        if "grafana_dashboard" in document["metadata"].get("labels", {}):
            document["data"] = dict.fromkeys(document["data"], "...")
        if document["kind"] == "PrometheusRule":
            document["spec"] = {"groups": "..."}
    return yaml.safe_dump_all(shown, sort_keys=False, width=100)


def main() -> None:
    for variant in VARIANTS:
        golden_file(variant).write_text(golden_text(variant.render(find_tool)))


if __name__ == "__main__":
    main()
