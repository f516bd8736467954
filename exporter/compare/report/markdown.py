"""The report as Markdown, for a merge request or a wiki."""

from __future__ import annotations

import re
from collections.abc import Iterator

from exporter.compare.report.break_even_text import change_sentences, worth_sentences
from exporter.compare.report.headline import story, whole_headline
from exporter.compare.report.load_table import HEADINGS as LOAD_HEADINGS
from exporter.compare.report.load_table import load_rows, load_sentences
from exporter.compare.report.wording import HEADINGS, method, missing_answers, rows
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Versus
from exporter.compare.statistics.verdict import Verdict

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")
_STRONG = (Verdict.BETTER, Verdict.WORSE)


def to_markdown(report: Report) -> str:
    lines: list[str] = []
    for versus in report.versus:
        lines += [f"## {_escape(whole_headline(report, versus))}", "", _escape(story(versus)), ""]
        lines += [*_table(report, versus), ""]
        lines += [line for text in missing_answers(report, versus) for line in (_escape(text), "")]
    if report.load:
        lines += [
            *_load(report),
            "",
            *(f"- {_escape(line)}" for line in load_sentences(report)),
            "",
        ]
    for sentences in (worth_sentences(report), change_sentences(report), method(report)):
        lines += [f"- {_escape(line)}" for line in sentences]
    return "\n".join(lines) + "\n"


def _load(report: Report) -> Iterator[str]:
    yield _line(*LOAD_HEADINGS)
    yield f"|--:|---|{'--:|' * (len(LOAD_HEADINGS) - 2)}"
    for row in load_rows(report):
        figures = (
            " ".join(filter(None, (c.text, c.interval and f"({c.interval})"))) for c in row.cells
        )
        yield _line(str(row.streams), row.target, *figures)


def _table(report: Report, versus: Versus) -> Iterator[str]:
    names = {"Baseline": report.subject.baseline.name, "Candidate": versus.candidate.name}
    yield _line(*(names.get(heading, heading) for heading in HEADINGS))
    yield "|---|--:|--:|--:|--:|---|"
    for row in rows(versus):
        verdict = f"{row.verdict} ({row.note})" if row.note else row.verdict
        cells = " | ".join(map(_escape, (row.title, *row.figures)))
        yield f"| {cells} | {_strong(_escape(verdict), row.finding.verdict)} |"


def _strong(text: str, verdict: Verdict) -> str:
    return f"**{text}**" if verdict in _STRONG else text


def _line(*cells: str) -> str:
    return f"| {' | '.join(map(_escape, cells))} |"


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
