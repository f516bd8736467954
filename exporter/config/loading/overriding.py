"""Reads variables with pydantic-settings, shaped like the configuration file."""

from __future__ import annotations

from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from exporter.config.root import Config


class _Settings(Config, BaseSettings):
    """Tells pydantic-settings what there is; never instantiated."""

    model_config = SettingsConfigDict(env_ignore_empty=True)


class _Source(EnvSettingsSource):
    def decode_complex_value(self, field_name: str, field: FieldInfo | None, value: Any) -> Any:
        """What is not JSON stays text, for validation to find fault with together with the
        rest; pydantic-settings would stop here."""
        try:
            return super().decode_complex_value(field_name, field, value)  # type: ignore[arg-type]
        except ValueError:
            return value


def read(prefix: str, nested: str) -> dict[str, Any]:
    """What the variables say that begin with a prefix.

    :param nested: stands between the names of keys.
    """
    return _Source(_Settings, env_prefix=prefix, env_nested_delimiter=nested)()
