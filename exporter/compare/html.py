from __future__ import annotations

from exporter.compare.report import Report


def to_html(report: Report) -> str:
    return ""
