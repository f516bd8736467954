"""Parses the option values of ``compare``."""

from __future__ import annotations

from pathlib import Path

import click

from exporter.commands.durations import duration
from exporter.compare.statistics.findings import Objective
from exporter.compare.statistics.levels import TIMES
from exporter.compare.statistics.measures import Measure
from exporter.settings.mistakes import did_you_mean


def in_a_folder(
    _context: click.Context, _option: click.Parameter, path: Path | None
) -> Path | None:
    """Check that the folder of a file to write exists. A report takes long, and would be lost.

    :raises click.BadParameter: there is no such folder.
    """
    if path and not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(path.parent)!r}; create it")
    return path


def margin(text: str) -> tuple[Measure, float]:
    """Parse a margin, such as ``ttft_p95=0.2``.

    :raises click.BadParameter: the measure is unknown, or the share isn't a positive number.
    """
    name, _, share = text.partition("=")
    names = [measure.value for measure in Measure]
    if name not in names:
        raise click.BadParameter(f"unknown measure {name!r}; {did_you_mean(name, names)}")
    try:
        value = float(share)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise click.BadParameter(f"{share!r} is not a share, such as 0.1 for 10 %")
    return Measure(name), value


def levels(text: str) -> tuple[int, ...]:
    """Parse numbers of concurrent streams, such as ``1,4,16``, in ascending order.

    :raises click.BadParameter: a part isn't a positive integer.
    """
    parts = {part.strip() for part in text.split(",")} if text else set()
    if not all(level.isdecimal() and int(level) for level in parts):
        raise click.BadParameter(f"{text!r} is not a list of numbers of streams, such as 1,4,16")
    return tuple(sorted(map(int, parts)))


def tokens(text: str) -> tuple[float, float] | None:
    """Parse input and output tokens, such as ``900,250``; ``None`` for an empty text.

    :raises click.BadParameter: the text isn't a pair of integers.
    """
    parts = text.split(",")
    if not text:
        return None
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise click.BadParameter(f"{text!r} is not a pair of token counts, such as 900,250")
    return float(parts[0]), float(parts[1])


def objective(text: str) -> Objective:
    """Parse an objective, such as ``ttft_p95=1.5s``.

    :raises click.BadParameter: the measure is unknown, or the limit isn't a positive duration.
    """
    name, _, limit = text.partition("=")
    names = [measure.value for measure in TIMES]
    if name not in names:
        raise click.BadParameter(f"unknown measure {name!r}; {did_you_mean(name, names)}")
    seconds = duration(limit)
    if not seconds:
        raise click.BadParameter(f"{limit!r} is too short; every request takes longer")
    return Objective(Measure(name), seconds)
