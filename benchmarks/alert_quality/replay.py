"""Evaluates rules over past data in a real Prometheus, layer by layer, as its ruler would.

promtool can backfill recording rules, but not rules that read other rules, and not alerts. So this
module evaluates each layer of rules by range queries at the interval of the group, and backfills
the results for the next layer. Alerts are range queries too.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from benchmarks.alert_quality.series import Series, write_openmetrics
from exporter.settings.units import parse_duration
from tests.process import free_port, process

_POINTS_PER_QUERY = 10_000  # Prometheus allows 11,000
_BLOCK = "486h"


@dataclass(frozen=True, slots=True)
class Rule:
    """One recording or alerting rule."""

    name: str
    expression: str
    labels: Mapping[str, str]
    interval_seconds: int

    def reads(self, other: Rule) -> bool:
        return re.search(rf"{re.escape(other.name)}(?![\w:])", self.expression) is not None


@dataclass(frozen=True, slots=True)
class Tools:
    """The paths of the real programs."""

    prometheus: Path
    promtool: Path


def load_rules(path: Path) -> list[Rule]:
    """Read the recording and alerting rules of a file."""
    groups = yaml.safe_load(path.read_text())["groups"]
    return [
        Rule(
            rule.get("record") or rule["alert"],
            rule["expr"],
            rule.get("labels", {}),
            int(parse_duration(group.get("interval", "1m"))),
        )
        for group in groups
        for rule in group["rules"]
    ]


def layers(rules: list[Rule]) -> Iterator[list[Rule]]:
    """Yield the rules in layers. Each layer reads only the layers before it."""
    left = list(rules)
    while left:
        layer = [rule for rule in left if not any(rule.reads(other) for other in left)]
        assert layer, "the rules read each other in a circle"
        yield layer
        left = [rule for rule in left if rule not in layer]


class Replay:
    """A data folder of Prometheus between two times, in Unix seconds."""

    def __init__(self, tools: Tools, folder: Path, start: int, end: int) -> None:
        self._tools = tools
        self._folder = folder
        self._start = start
        self._end = end

    def add(self, series: Iterable[Series]) -> None:
        """Backfill series."""
        text = self._folder / "series.om"
        write_openmetrics(text, series)
        create: list[str | Path] = [
            self._tools.promtool,
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            "--quiet",
        ]
        command: list[str | Path] = [
            *create,
            f"--max-block-duration={_BLOCK}",
            text,
            self._folder / "data",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        text.unlink()

    def record(self, rules: list[Rule]) -> None:
        """Evaluate recording rules and backfill the results."""
        for layer in layers(rules):
            began = time.monotonic()
            with self.server() as server:
                results = [series for rule in layer for series in self._evaluate(server, rule)]
            self.add(results)
            names = ", ".join(sorted({rule.name for rule in layer}))
            print(f"  {time.monotonic() - began:5.0f} s  {names}", flush=True)

    def firing(self, rule: Rule) -> list[Series]:
        """Return the times at which an alert's expression is true, by series."""
        with self.server() as server:
            return list(self._evaluate(server, rule))

    @contextmanager
    def server(self) -> Iterator[httpx.Client]:
        """Run Prometheus on the current data; yield a client."""
        port = free_port()
        command: list[str | Path] = [
            self._tools.prometheus,
            f"--config.file={self._empty_configuration()}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            "--storage.tsdb.retention.time=100y",
            "--no-storage.tsdb.allow-overlapping-compaction",
            "--query.timeout=10m",
            "--query.max-samples=500000000",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        log = self._folder / "prometheus.log"
        with process(command, log), httpx.Client(timeout=600) as client:
            client.base_url = f"http://127.0.0.1:{port}"
            _wait_until_ready(client)
            yield client

    def _empty_configuration(self) -> Path:
        path = self._folder / "prometheus.yml"
        path.write_text("{}\n")
        return path

    def _evaluate(self, server: httpx.Client, rule: Rule) -> Iterator[Series]:
        """Evaluate a rule at each of its times; leave out missing results."""
        step = rule.interval_seconds
        found: dict[str, Series] = {}
        for start in range(self._start, self._end, step * _POINTS_PER_QUERY):
            end = min(start + step * (_POINTS_PER_QUERY - 1), self._end)
            query = {"query": rule.expression, "start": start, "end": end, "step": step}
            answer = server.post("/api/v1/query_range", data=query)
            data = json.loads(answer.text)
            assert data["status"] == "success", data
            for result in data["data"]["result"]:
                labels = {k: v for k, v in result["metric"].items() if k != "__name__"}
                labels |= rule.labels
                key = json.dumps(labels, sort_keys=True)
                series = found.setdefault(key, Series(rule.name, labels, [], []))
                times, values = zip(*result["values"], strict=True)
                series.times.extend(times)  # type: ignore[union-attr]
                series.values.extend(values)  # type: ignore[union-attr]
        yield from found.values()


def _wait_until_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if client.get("/-/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "Prometheus did not become ready"
        time.sleep(0.1)
