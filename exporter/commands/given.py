"""The options on the command line of the current command."""

from __future__ import annotations

from collections.abc import Mapping

import click
from click.core import ParameterSource


def given_options() -> Mapping[str, str]:
    """The options that the user wrote, such as ``--json``, by the names of their parameters."""
    context = click.get_current_context()
    return {
        name: option
        for name, option in known_options().items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def known_options() -> Mapping[str, str]:
    """All options of the command, by the names of their parameters."""
    options = click.get_current_context().command.params
    return {option.name: option.opts[0] for option in options if option.name}
