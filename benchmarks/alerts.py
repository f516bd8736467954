"""How good the alerts are: 30 simulated days of 20 targets in a real Prometheus.

Incidents are injected, the rules of deploy/prometheus are evaluated over all of it, and what they
found and cried is judged by what was injected. ``--quick`` is a short form for CI; ``--docs``
renews the tables and the plot in docs/. Needs the programs of ``make tools``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.alert_quality.fleet import Fleet, simulate
from benchmarks.alert_quality.judge import Episode, detections, episodes, false_alarms
from benchmarks.alert_quality.plot import plot
from benchmarks.alert_quality.replay import Replay, Tools, load_rules
from benchmarks.alert_quality.report import report
from benchmarks.alert_quality.series import START, exported

ROOT = Path(__file__).parents[1]
RULES = ROOT / "deploy" / "prometheus"
DOCS = ROOT / "docs"


def main() -> None:
    """Run it and print the tables."""
    options = _options()
    targets, days = (5, 8) if options.quick else (20, 30)
    print(
        f"{targets} targets, {days} days after a week of learning, seed {options.seed}", flush=True
    )
    began = time.monotonic()
    fleet = simulate(targets, days, options.seed)
    with tempfile.TemporaryDirectory(prefix="alert-quality-") as folder:
        happened = _replay(fleet, Path(folder))
    found, false = detections(fleet, happened), false_alarms(fleet, happened)
    tables = report(fleet, found, false)
    print(f"{tables}\n{time.monotonic() - began:.0f} s")
    if options.docs:
        _put_into(DOCS / "alert-quality.md", tables)
        plot(fleet, found, DOCS / "alert-quality.svg")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alerts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5 targets, 8 days: a minute, for CI")
    parser.add_argument(
        "--seed", type=int, default=5, help="1 to 4 are what the rules were tuned on"
    )
    parser.add_argument("--docs", action="store_true", help="renew docs/alert-quality.*")
    return parser.parse_args()


def _replay(fleet: Fleet, folder: Path) -> list[Episode]:
    """All episodes of all alerts, by a real Prometheus."""
    (folder / "data").mkdir()
    last = START + 60 * (fleet.minutes - 1)
    replay = Replay(Tools(_tool("prometheus"), _tool("promtool")), folder, START, last)
    replay.add(exported(fleet))
    replay.record(load_rules(RULES / "regression-rules.yml"))
    firing = [series for rule in load_rules(RULES / "alerts.yml") for series in replay.firing(rule)]
    return list(episodes(fleet, firing))


def _tool(name: str) -> Path:
    found = shutil.which(name, path=str(ROOT / ".tools" / "bin")) or shutil.which(name)
    if found is None:
        sys.exit(f"{name} is missing: run `make tools`")
    return Path(found)


def _put_into(page: Path, tables: str) -> None:
    """Between the marks of the page."""
    begin, end = "<!-- measured: begin -->\n", "<!-- measured: end -->"
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{tables}\n{end}{after}")


if __name__ == "__main__":
    main()
