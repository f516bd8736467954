"""Options with a duration."""

from __future__ import annotations

import click

from exporter.settings.units import parse_duration


def duration(text: str) -> float:
    """Seconds, as the type of an option."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
