"""The rules, Prometheus, and Alertmanager with time compressed: all durations are divided by six.

Ranges, offsets, intervals, waiting times, probes, and scrapes shrink alike, so an alert sees as
many probes as in real time. Some things don't shrink, which makes the test stricter than real life:
programs don't start or respond any faster, and a confirming probe still waits five seconds.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from benchmarks.alert_quality.replay import Rule, load_rules
from tests.queries import RULE_FILES, RULES

FACTOR = 6
MINUTE = 60 / FACTOR
"""Seconds."""

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_IN_QUERY = re.compile(r"(?<=\[)[\dsmhdw:]+(?=\])|(?<=offset )[\dsmhdw]+")
_SETTING = re.compile(r"(?<=\n)( +(?:interval|for|keep_firing_for): )(\w+)")
_PART = re.compile(r"(\d+)(ms|[smhdw])")


def shorter(duration: str) -> str:
    """Shorten a duration in Prometheus' format, such as ``1d23h30m``."""
    milliseconds = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(duration))
    return f"{milliseconds // FACTOR}ms"


def compressed(text: str) -> str:
    """Shorten all durations in queries or in a file of rules."""
    text = _IN_QUERY.sub(lambda match: ":".join(map(shorter, match[0].split(":"))), text)
    return _SETTING.sub(lambda match: match[1] + shorter(match[2]), text)


def write_rules(folder: Path) -> None:
    """Write all files of rules."""
    folder.mkdir()
    for path in RULE_FILES:
        (folder / path.name).write_text(compressed(path.read_text()))


def regression_rules() -> list[Rule]:
    """Return the rules for backfilled data, in which nothing changes between two probes."""
    return [
        replace(
            rule,
            expression=compressed(rule.expression),
            interval_seconds=max(60, rule.interval_seconds) // FACTOR,
        )
        for rule in load_rules(RULES / "regression-rules.yml")
    ]


def alertmanager_config(url: str) -> dict[str, Any]:
    """Return the example's routes and inhibitions, with ``url`` for all receivers."""
    config: dict[str, Any] = yaml.safe_load((RULES / "alertmanager.yml").read_text())
    for key in ("group_wait", "group_interval", "repeat_interval"):
        config["route"][key] = shorter(config["route"][key])
    config["receivers"] = [
        {"name": receiver["name"], "webhook_configs": [{"url": f"{url}/{receiver['name']}"}]}
        for receiver in config["receivers"]
    ]
    return config
