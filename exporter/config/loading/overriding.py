"""Reads variables with pydantic-settings, shaped like the configuration file."""

from __future__ import annotations

from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from exporter.config.root import Config
from exporter.settings.nesting import is_too_deep


class _Settings(Config, BaseSettings):
    """Describes the configuration to pydantic-settings; never instantiated."""

    model_config = SettingsConfigDict(env_ignore_empty=True)


class _Source(EnvSettingsSource):
    def decode_complex_value(self, field_name: str, field: FieldInfo | None, value: Any) -> Any:
        """Decode JSON; leave other text unchanged.

        pydantic-settings would stop at the first error. Validation reports all of them.
        """
        if is_too_deep(value):
            return value
        try:
            return super().decode_complex_value(field_name, field, value)  # type: ignore[arg-type]
        except ValueError:
            return value


def read(prefix: str, nested: str) -> dict[str, Any]:
    """Read the variables with a prefix, shaped like the configuration file.

    :param nested: the separator between keys.
    """
    return _Source(_Settings, env_prefix=prefix, env_nested_delimiter=nested)()
