"""Writes the rules in all formats, with your own URLs in the alerts.

``python -m dashboards.rules --out FOLDER --runbook-url URL --dashboard-url URL``
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dashboards import ROOT
from dashboards.managed_rules import grafana_rules_file
from dashboards.operator import RULE_FILES, prometheus_rule_file
from exporter.config.web import RUNBOOK_URL

DASHBOARD_URL = "http://localhost:3000"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m dashboards.rules", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--runbook-url", default=RUNBOOK_URL, help="the folder of the runbooks")
    parser.add_argument("--dashboard-url", default=DASHBOARD_URL, help="Grafana")
    options = parser.parse_args()
    folder = ROOT / "deploy" / "prometheus"
    texts = {folder / name: (folder / name).read_text() for name in RULE_FILES}
    texts |= {**prometheus_rule_file(ROOT), **grafana_rules_file(ROOT)}
    options.out.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        own = text.replace(RUNBOOK_URL, options.runbook_url.rstrip("/"))
        own = own.replace(DASHBOARD_URL, options.dashboard_url.rstrip("/"))
        (options.out / path.name).write_text(own)


if __name__ == "__main__":
    main()
