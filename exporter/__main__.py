"""``inference-exporter``, also as ``python -m exporter``."""

from __future__ import annotations

from exporter.process import early_signals


def main() -> None:
    """Run the command line."""
    early_signals.hold()  # before anything slow is imported
    from exporter.cli import main as command_line  # noqa: PLC0415
    from exporter.commands.failing import output_on_full_disk  # noqa: PLC0415

    with output_on_full_disk():
        command_line(prog_name="inference-exporter")


if __name__ == "__main__":
    main()
