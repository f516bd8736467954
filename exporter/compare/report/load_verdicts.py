"""The verdicts under load as a grid: a row for each measure, a column for each level."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from exporter.compare.report.figures import change_texts
from exporter.compare.report.load_table import compared_levels
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Finding
from exporter.compare.statistics.verdict import Verdict


@dataclass(frozen=True, slots=True)
class LevelCell:
    """One measure at one level."""

    verdict: Verdict
    change: str
    """Empty without an interval."""


@dataclass(frozen=True, slots=True)
class Grid:
    """One candidate."""

    candidate: str
    streams: tuple[int, ...]
    rows: tuple[tuple[str, tuple[LevelCell, ...]], ...]
    """The name of each measure, and its cells."""


def grids(report: Report) -> Iterator[Grid]:
    """One for each candidate that was compared at any level."""
    for party in report.subject.candidates:
        levels = [(lv, vs) for lv, vs in compared_levels(report) if vs.candidate == party]
        if levels:
            findings = zip(*(versus.findings for _, versus in levels), strict=True)
            rows = tuple((of[0].definition.short, tuple(map(_cell, of))) for of in findings)
            yield Grid(party.name, tuple(level.streams for level, _ in levels), rows)


def _cell(finding: Finding) -> LevelCell:
    change, _ = change_texts(finding)
    return LevelCell(finding.verdict, change)
