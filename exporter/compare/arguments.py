"""Parses the option values of ``compare``."""

from __future__ import annotations

import click

from exporter.commands.durations import duration
from exporter.compare.statistics.findings import Objective
from exporter.compare.statistics.levels import TIMES
from exporter.compare.statistics.measures import Measure
from exporter.settings.mistakes import did_you_mean


def margin(text: str) -> tuple[Measure, float]:
    """``ttft_p95=0.2``"""
    name, _, share = text.partition("=")
    names = [measure.value for measure in Measure]
    if name not in names:
        raise click.BadParameter(f"unknown measure {name!r}; {did_you_mean(name, names)}")
    try:
        value = float(share)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise click.BadParameter(f"{share!r} is no share such as 0.1, which is 10 %")
    return Measure(name), value


def levels(text: str) -> tuple[int, ...]:
    """``1,4,16``; none where nothing is said"""
    parts = {part.strip() for part in text.split(",")} if text else set()
    if not all(level.isdecimal() and int(level) for level in parts):
        raise click.BadParameter(f"{text!r} is no list of numbers of streams such as 1,4,16")
    return tuple(sorted(map(int, parts)))


def tokens(text: str) -> tuple[float, float] | None:
    """``900,250``; ``None`` where nothing is said"""
    parts = text.split(",")
    if not text:
        return None
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise click.BadParameter(f"{text!r} is no pair of tokens such as 900,250")
    return float(parts[0]), float(parts[1])


def objective(text: str) -> Objective:
    """``ttft_p95=1.5s``"""
    name, _, limit = text.partition("=")
    names = [measure.value for measure in TIMES]
    if name not in names:
        raise click.BadParameter(f"unknown measure {name!r}; {did_you_mean(name, names)}")
    return Objective(Measure(name), duration(limit))
