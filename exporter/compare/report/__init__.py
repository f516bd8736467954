"""Reports: terminal, Markdown, HTML, JSON."""
