"""``INFERENCE_EXPORTER_...`` variables, which override the configuration file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from exporter.config.root import Config
from exporter.settings.mistakes import Location, Mistake, did_you_mean

PREFIX = "INFERENCE_EXPORTER_"
_NESTED = "__"

_KUBERNETES = re.compile(
    r"(.*_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_.+)?)?)"
)
"""What Kubernetes sets in every container for a Service whose name begins with
``inference-exporter``."""


class _Settings(Config, BaseSettings):
    """Tells pydantic-settings what there is; never instantiated."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=_NESTED, env_ignore_empty=True
    )


class _Source(EnvSettingsSource):
    def decode_complex_value(self, field_name: str, field: FieldInfo | None, value: Any) -> Any:
        """What is not JSON stays text, for validation to find fault with together with the
        rest; pydantic-settings would stop here."""
        try:
            return super().decode_complex_value(field_name, field, value)  # type: ignore[arg-type]
        except ValueError:
            return value


def overrides() -> dict[str, Any]:
    """What the variables say, shaped like the configuration file."""
    return _Source(_Settings)()


def set_variables() -> dict[Location, str]:
    """The name of every variable that is set, by the key that it overrides."""
    return {_location(name): name for name, value in os.environ.items() if value and _ours(name)}


def _location(name: str) -> Location:
    return tuple(name[len(PREFIX) :].lower().split(_NESTED))


def _ours(name: str) -> bool:
    if not name.upper().startswith(PREFIX):
        return False
    return _location(name)[0] in Config.model_fields or not _set_by_kubernetes(name)


def _set_by_kubernetes(name: str) -> bool:
    return _KUBERNETES.fullmatch(name[len(PREFIX) :]) is not None


def unknown_variables(variables: Mapping[Location, str]) -> Iterator[Mistake]:
    """Variables that override no top-level key; validation finds those that are wrong below."""
    for location, name in variables.items():
        if location[0] not in Config.model_fields:
            yield Mistake(f"unknown variable; {did_you_mean(name, _known())}", key=name)


def _known() -> list[str]:
    return [PREFIX + _NESTED.join(names).upper() for names in _names(Config, ())]


def _names(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        yield (*above, name)
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from _names(inner, (*above, name))
