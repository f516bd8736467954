"""Converts dashboards to JSON for Grafana."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import cold, compare, exporter, fleet, places, real, target

DASHBOARDS = (
    fleet.build,
    target.build,
    compare.build,
    cold.build,
    places.build,
    real.build,
    exporter.build,
)


def dashboard_files(root: Path) -> Mapping[Path, str]:
    """Return the file of each dashboard with its JSON."""
    files = {}
    for build in DASHBOARDS:
        document = as_json(build())
        path = root / "dashboards" / "json" / f"{document['uid']}.json"
        files[path] = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return files


def as_json(dashboard: Dashboard) -> dict[str, Any]:
    """Convert a dashboard to Grafana's JSON, and number its panels."""
    document: dict[str, Any] = json.loads(JSONEncoder().encode(dashboard.build()))
    for number, panel in zip(count(1), document["panels"], strict=False):
        panel["id"] = number
    return document
