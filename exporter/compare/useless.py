"""Refuses options without effect: the report would be another than the user wants."""

from __future__ import annotations

import click

from exporter.commands.given import given_options, known_options

_LIVE = {
    "probes", "max_requests", "pause_seconds", "budget_usd", "until_decided", "cold_idle_seconds",
    "cold_rounds",
}  # fmt: skip
_SOURCE = {
    "config", "baseline", "candidates", "probe", "prompts_file", "shapes_file", "lengths",
    "max_output_tokens", "concurrency", "samples", "prometheus", "prometheus_token_env",
    "since_seconds", "before_after", "windows",
}  # fmt: skip

_EXCLUDES = {
    "from_samples": _LIVE | _SOURCE,
    "prometheus": _LIVE | {"config"},
    "windows": {"since_seconds"},
    "concurrency": {"pause_seconds"},
}
"""By option, the options that have no effect with it."""

_NEEDS = {
    "objectives": ("concurrency", "from_samples"),
    "request_tokens": ("requests_per_day",),
    "cold_rounds": ("cold_idle_seconds",),
    "since_seconds": ("prometheus",),
    "prometheus_token_env": ("prometheus",),
}
"""By option, the options of which it needs one to have an effect."""


def check_options() -> None:
    """
    :raises click.UsageError: an option of the command line has no effect.
    """
    given = given_options()
    for name, option in given.items():
        for other, excluded in _EXCLUDES.items():
            if other in given and name in excluded:
                raise click.UsageError(f"{option} has no effect with {given[other]}; remove it")
        needed = _NEEDS.get(name, ())
        if needed and given.keys().isdisjoint(needed):
            other = known_options()[needed[0]]
            raise click.UsageError(
                f"{option} has no effect without {other}; add {other}, or remove {option}"
            )
