"""Refuses options of the current command that would have no effect."""

from __future__ import annotations

from collections.abc import Mapping, Set

import click
from click.core import ParameterSource


def refuse_useless_options(
    excludes: Mapping[str, Set[str]], needs: Mapping[str, tuple[str, ...]]
) -> None:
    """Refuse options without effect, because the user expects one.

    :param excludes: by option, the options that have no effect with it.
    :param needs: by option, the options of which it needs one to have an effect.
    :raises click.UsageError: an option of the command line has no effect.
    """
    given = _given_options()
    for name, option in given.items():
        for other, excluded in excludes.items():
            if other in given and name in excluded:
                raise click.UsageError(f"{option} has no effect with {given[other]}; remove it")
        needed = needs.get(name, ())
        if needed and given.keys().isdisjoint(needed):
            other = _known_options()[needed[0]]
            raise click.UsageError(
                f"{option} has no effect without {other}; add {other}, or remove {option}"
            )


def _given_options() -> Mapping[str, str]:
    """The options that the user wrote, such as ``--json``, by the names of their parameters."""
    context = click.get_current_context()
    return {
        name: option
        for name, option in _known_options().items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def _known_options() -> Mapping[str, str]:
    """All options of the command, by the names of their parameters."""
    options = click.get_current_context().command.params
    return {option.name: option.opts[0] for option in options if option.name}
