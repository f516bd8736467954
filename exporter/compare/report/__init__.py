"""A verdict, told: terminal, Markdown, HTML, JSON."""
