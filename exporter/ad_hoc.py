"""Plans for targets that are named on the command line, without a configuration file."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from exporter.config import Plan, Probe, Target, Timeouts
from exporter.mistakes import did_you_mean

TARGET_KEYS = (
    "name",
    "provider",
    "model",
    "base_url",
    "region",
    "api_version",
    "api_key_env",
    "input_price",
    "output_price",
)
"""What can be said of a target in one ``key=value,...``."""


class AdHocError(ValueError):
    """The command line names no usable target; the message says what to do."""


def ad_hoc_plan(
    options: Mapping[str, str | None], probe: Probe, timeout_seconds: float, probe_name: str = "cli"
) -> Plan:
    """A plan from the values of some ``TARGET_KEYS``.

    :raises AdHocError: they make no target.
    """
    try:
        target = Target.model_validate(_fields(options))
    except ValidationError as error:
        raise AdHocError(mistakes_of(error)) from None
    return Plan(
        target=target,
        probe_name=probe_name,
        probe=probe,
        interval_seconds=0.0,
        timeouts=Timeouts(total=timeout_seconds),
        fresh_connection=False,
    )


def mistakes_of(error: ValidationError) -> str:
    """What is wrong with values from the command line, on one line."""
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())


def parse_target(text: str) -> dict[str, str | None]:
    """The values in ``provider=openai,model=qwen3-32b,base_url=http://10.0.0.7:8000/v1``.

    :raises AdHocError: it is not of this form.
    """
    values: dict[str, str | None] = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not equals:
            raise AdHocError(
                f"{part!r} is not key=value; without --config, write a target as"
                " provider=openai,model=qwen3-32b,base_url=http://10.0.0.7:8000/v1"
            )
        if key not in TARGET_KEYS:
            raise AdHocError(f"unknown key {key!r}; {did_you_mean(key, TARGET_KEYS)}")
        values[key] = value
    for key in ("provider", "model"):
        if not values.get(key):
            raise AdHocError(f"{text!r} has no {key}; add {key}=...")
    return values


def _fields(options: Mapping[str, str | None]) -> dict[str, object]:
    known = {key: options.get(key) for key in ("provider", "model", "base_url", "region")}
    key_env = options.get("api_key_env")
    price = {
        "input": options.get("input_price") or "0",
        "output": options.get("output_price") or "0",
    }
    return {
        **known,
        "name": options.get("name") or options["model"],
        "api_version": options.get("api_version"),
        "api_key": {"env": key_env} if key_env else None,
        "price": price if options.get("input_price") or options.get("output_price") else None,
    }
