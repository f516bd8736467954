"""Formats reports for terminals and as Markdown, HTML and JSON."""
