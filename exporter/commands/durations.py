"""A type for command-line options with a duration."""

from __future__ import annotations

import click

from exporter.settings.units import parse_duration


def duration(text: str) -> float:
    """The duration in seconds.

    :raises BadParameter: the text is not a duration.
    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
