"""The report as Markdown, for a merge request or a wiki."""

from __future__ import annotations

import re
from collections.abc import Iterator

from exporter.compare.report.wording import HEADINGS, headline, method, rows, story
from exporter.compare.statistics.findings import Report, Versus
from exporter.compare.statistics.verdict import Verdict

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")
_STRONG = (Verdict.BETTER, Verdict.WORSE)


def to_markdown(report: Report) -> str:
    lines: list[str] = []
    for versus in report.versus:
        lines += [f"## {_escape(headline(report, versus))}", "", _escape(story(versus)), ""]
        lines += [*_table(report, versus), ""]
    lines += [f"- {_escape(line)}" for line in method(report)]
    return "\n".join(lines) + "\n"


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
