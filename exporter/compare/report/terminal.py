"""The report for a terminal."""

from __future__ import annotations

import click
from tabulate import tabulate

from exporter.compare.report.break_even_text import change_sentences, worth_sentences
from exporter.compare.report.headline import story, whole_headline
from exporter.compare.report.load_table import HEADINGS as LOAD_HEADINGS
from exporter.compare.report.load_table import load_rows, load_sentences
from exporter.compare.report.wording import Row, method, missing_answers, rows
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Versus
from exporter.compare.statistics.verdict import Verdict

_COLORS = {
    Verdict.BETTER: "green",
    Verdict.SAME: "green",
    Verdict.WORSE: "red",
    Verdict.UNDECIDED: "yellow",
    Verdict.NOT_MEASURED: "bright_black",
}
_BOLD = (Verdict.BETTER, Verdict.WORSE)

_WIDEST_HEADING = 16


def show(report: Report) -> str:
    """Format a table for each candidate, the verdict in words, and the method."""
    parts: list[str] = []
    for versus in report.versus:
        parts += [_table(report, versus), ""]
        parts += [click.style(f"{whole_headline(report, versus)}.", bold=True), story(versus)]
        parts += [*missing_answers(report, versus), ""]
    if report.load:
        parts += [_load(report), "", *load_sentences(report), ""]
    for sentences in (worth_sentences(report), change_sentences(report)):
        if found := list(sentences):
            parts += [*found, ""]
    return "\n".join([*parts, *(click.style(line, dim=True) for line in method(report))])


def _load(report: Report) -> str:
    rows = (
        (str(row.streams), row.target, *(cell.text for cell in row.cells))
        for row in load_rows(report)
    )
    return tabulate(
        list(rows),
        headers=LOAD_HEADINGS,
        maxheadercolwidths=_WIDEST_HEADING,
        colalign=("right", "left", *["right"] * (len(LOAD_HEADINGS) - 2)),
        disable_numparse=True,
    )


def _table(report: Report, versus: Versus) -> str:
    confidence = f"{report.confidence * 100:.3g} %"
    names = (report.subject.baseline.name, versus.candidate.name)
    return tabulate(
        [_cells(row) for row in rows(versus)],
        headers=("measure", *names, f"change ({confidence})", "verdict"),
        maxheadercolwidths=_WIDEST_HEADING,
        colalign=("left", "right", "right", "right", "left"),
        disable_numparse=True,
    )


def _cells(row: Row) -> tuple[str, ...]:
    verdict = row.finding.verdict
    return (
        row.finding.definition.short,
        row.baseline,
        row.candidate,
        f"{row.change} ({row.interval})" if row.change else click.style(row.note, dim=True),
        click.style(row.verdict, fg=_COLORS[verdict], bold=verdict in _BOLD or None),
    )
