"""Refuses options without effect: the report would be another than the user wants."""

from __future__ import annotations

from exporter.commands import past_options
from exporter.commands.given import refuse_useless_options

_LIVE = {
    "probes", "max_requests", "pause_seconds", "budget_usd", "until_decided", "cold_idle_seconds",
    "cold_rounds",
}  # fmt: skip
_PROMPTS = {"prompts_file", "shapes_file", "lengths", "max_output_tokens"}
_SOURCE = {
    "config", "baseline", "candidates", "probe", "concurrency", "samples", "prometheus",
    "prometheus_token_env", "since_seconds", "before_after", "windows",
}  # fmt: skip

_EXCLUDES = {
    "from_samples": _LIVE | _PROMPTS | _SOURCE,
    "prometheus": _LIVE | _PROMPTS | {"config", "concurrency"},
    "windows": {"since_seconds"},
    "concurrency": {"pause_seconds", "until_decided", "cold_idle_seconds"},
}
_NEEDS = {
    "objectives": ("concurrency", "from_samples"),
    "max_requests": ("concurrency",),
    "request_tokens": ("requests_per_day",),
    "cold_rounds": ("cold_idle_seconds",),
    "before_after": ("prometheus",),
    "windows": ("prometheus",),
    **past_options.NEEDS,
}


def check_options() -> None:
    """
    :raises click.UsageError: an option of the command line has no effect.
    """
    refuse_useless_options(_EXCLUDES, _NEEDS)
