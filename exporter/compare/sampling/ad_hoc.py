"""Targets from the command line, without a configuration file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import ValidationError

from exporter.compare.errors import PartiesError
from exporter.config.root import Config
from exporter.settings.explain import explain
from exporter.settings.mistakes import did_you_mean
from exporter.settings.redaction.likely import without_likely_secrets

_KEYS = (
    "name", "provider", "preset", "model", "base_url", "region", "api_version", "connection",
    "timeout",
)  # fmt: skip
_OTHER_KEYS = ("api_key_env", "input_price", "output_price")
_BEFORE_HOST = re.compile(r"^(\w+=)?(https?://)?.*@")
_AFTER_PATH = re.compile(r"(?<=[?#]).+")
_KEY = re.compile(r"(?<=^api_key_env=).+")
"""Many people write the API key itself instead of the variable's name."""
_EXAMPLE = "provider=openai,model=qwen3-32b,base_url=http://10.0.0.7:8000/v1"


def ad_hoc_config(targets: Sequence[str], timeout: str) -> Config:
    """Create a configuration with these targets, each in the form of ``_EXAMPLE``.

    :param timeout: the timeout of a probe, such as ``60s``.
    :raises PartiesError: a text isn't a valid target.
    """
    fields = [_target(text) for text in targets]
    try:
        return Config.model_validate({"defaults": {"timeout": timeout}, "targets": fields})
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
        _, *keys = mistake["loc"]
        where = f"{_shown(targets[keys[0]])}: " if keys and isinstance(keys[0], int) else ""
        key = next((f"{key}: " for key in keys[1:2] if isinstance(key, str)), "")
        raise PartiesError(f"{where}{key}{explain(mistake, Config)}") from None


def _target(text: str) -> dict[str, object]:
    given = dict(map(_pair, text.split(",")))
    for key in ("provider", "model"):
        if not given.get(key):
            raise PartiesError(f"{_shown(text)!r} has no {key}; add {key}=...")
    target: dict[str, object] = {key: given[key] for key in _KEYS if key in given}
    target.setdefault("name", given["model"])
    if "api_key_env" in given:
        target["api_key"] = {"env": given["api_key_env"]}
    if "input_price" in given or "output_price" in given:
        prices = {name: given.get(f"{name}_price", "0") for name in ("input", "output")}
        target["price"] = prices
    return target


def _shown(text: str) -> str:
    """Return a target, or a part of one, for an error message, without what might be a secret.

    URLs keep their host and path. An invalid URL can have a password in any place before an ``@``.
    """
    parts = [_BEFORE_HOST.sub(r"\1\2...@", part) for part in text.split(",")]
    shown = ",".join(_AFTER_PATH.sub("...", _KEY.sub("...", part)) for part in parts)
    return without_likely_secrets(shown)


def _pair(part: str) -> tuple[str, str]:
    key, equals, value = part.partition("=")
    if not equals:
        raise PartiesError(
            f"{_shown(part)!r} is not key=value; without --config, write a target as {_EXAMPLE}"
        )
    known = (*_KEYS, *_OTHER_KEYS)
    if key not in known:
        raise PartiesError(f"unknown key {key!r}; {did_you_mean(key, known)}")
    return key, value
