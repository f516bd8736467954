"""The report for a person at a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from exporter.compare.report import Report, Versus
from exporter.compare.verdict import Verdict
from exporter.compare.wording import headline, method, rows, story

_STYLES = {
    Verdict.BETTER: "bold green",
    Verdict.SAME: "green",
    Verdict.WORSE: "bold red",
    Verdict.UNDECIDED: "yellow",
}

_WIDEST_NAME = 16


def show(report: Report) -> RenderableType:
    """A table for each candidate, the verdict in words, and how it was found."""
    parts: list[RenderableType] = []
    for versus in report.versus:
        parts += [_table(report, versus), Text(f"{headline(report, versus)}.", style="bold")]
        parts += [Text(story(versus)), Text()]
    return Group(*parts, *(Text(line, style="dim") for line in method(report)))


def _table(report: Report, versus: Versus) -> Table:
    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("measure", no_wrap=True)
    for heading in (report.subject.baseline.name, versus.candidate.name):
        width = min(max(len(heading), 7), _WIDEST_NAME)
        table.add_column(heading, justify="right", min_width=width, overflow="fold")
    confidence = f"{report.settings.confidence * 100:.3g} %"
    table.add_column(f"change ({confidence})", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in rows(versus):
        change = Text(f"{row.change} ({row.interval})") if row.change else Text(row.note, "dim")
        verdict = Text(row.verdict, style=_STYLES[row.finding.verdict])
        title = row.finding.definition.short
        table.add_row(title, row.baseline, row.candidate, change, verdict)
    return table
