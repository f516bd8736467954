"""``python -m exporter`` is ``inference-exporter``."""

from exporter.cli import main

main(prog_name="inference-exporter")
