"""Builds the dashboards in ``dashboards/json`` and the other formats of the alerts in ``deploy``.

With ``--check``, it writes nothing and reports outdated files.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from dashboards import ROOT
from dashboards.build import dashboard_files
from dashboards.managed_rules import grafana_rules_file
from dashboards.operator import prometheus_rule_file


def built() -> Mapping[Path, str]:
    """Return every generated file with its content."""
    return {**dashboard_files(ROOT), **prometheus_rule_file(ROOT), **grafana_rules_file(ROOT)}


def main() -> None:
    stale = [
        path for path, text in built().items() if not path.exists() or path.read_text() != text
    ]
    if "--check" in sys.argv[1:]:
        if stale:
            names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
            sys.exit(f"fallen behind their source: {names}; run `make dashboards` and commit them")
        return
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(built()[path])


if __name__ == "__main__":
    main()
