"""All report formats, in one place to import them from."""

from __future__ import annotations

import json

from exporter.compare.report.html import to_html
from exporter.compare.report.json_report import to_json
from exporter.compare.report.markdown import to_markdown
from exporter.compare.report.terminal import show
from exporter.compare.statistics.conclusion import Report


def to_json_text(report: Report) -> str:
    """Format the report as a JSON document."""
    return json.dumps(to_json(report), indent=2) + "\n"


__all__ = ["show", "to_html", "to_json_text", "to_markdown"]
