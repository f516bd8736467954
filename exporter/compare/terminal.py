"""The report for a person at a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from exporter.compare.report import Report, Versus
from exporter.compare.verdict import Verdict
from exporter.compare.wording import HEADINGS, Row, headline, method, rows, story

_STYLES = {
    Verdict.BETTER: "bold green",
    Verdict.SAME: "green",
    Verdict.WORSE: "bold red",
    Verdict.UNDECIDED: "yellow",
}


def show(report: Report) -> RenderableType:
    """A table for each candidate, the verdict in words, and how it was found."""
    parts: list[RenderableType] = []
    for versus in report.versus:
        parts += [_table(report, versus), Text(f"{headline(report, versus)}.", style="bold")]
        parts += [Text(story(versus)), Text()]
    return Group(*parts, *(Text(line, style="dim") for line in method(report)))


def _table(report: Report, versus: Versus) -> Table:
    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    names = {"Baseline": report.subject.baseline.name, "Candidate": versus.candidate.name}
    for heading in HEADINGS:
        figures = heading not in ("Measure", "Verdict")
        justify: JustifyMethod = "right" if figures else "left"
        table.add_column(names.get(heading, heading), justify=justify, no_wrap=True)
    for row in rows(versus):
        table.add_row(row.finding.definition.short, *row.figures, _verdict(row))
    return table


def _verdict(row: Row) -> Text:
    text = Text(row.verdict, style=_STYLES[row.finding.verdict])
    return text.append(f" ({row.note})", style="dim") if row.note else text
