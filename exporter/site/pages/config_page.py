"""The active configuration as YAML; secrets appear only as references."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any, get_args

import yaml
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from exporter.config.root import Config
from exporter.prices.file import PriceFile
from exporter.settings.prompts import PromptsFile
from exporter.settings.redaction import redact
from exporter.settings.units import format_duration, parse_duration
from exporter.site.backend import Condition
from exporter.site.pages.page import Page, render

_WIDTH = 100


def render_config(condition: Condition, problems: int) -> Page:
    """The page."""
    return render("config.html", condition, problems, text=config_text(condition.config))


def config_text(config: Config) -> str:
    """The settings that are set, as YAML. A known secret in the wrong place is redacted."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(
        _plain(config), Dumper=dumper, sort_keys=False, allow_unicode=True, width=_WIDTH
    )
    return redact(text)


def _plain(value: object) -> Any:
    match value:
        case BaseModel():
            return _set_in(value)
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case float():
            return int(value) if value.is_integer() else value
        case None | bool() | int():
            return value
    return str(value.path if isinstance(value, PromptsFile | PriceFile) else value)


def _set_in(model: BaseModel) -> dict[str, Any]:
    fields = type(model).model_fields
    return {
        field.alias or name: _plain(_with_unit(value) if _is_duration(field) else value)
        for name, field in fields.items()
        if name in model.model_fields_set and (value := getattr(model, name)) not in (None, {}, ())
    }


def _is_duration(field: FieldInfo) -> bool:
    optional = (getattr(part, "__metadata__", ()) for part in get_args(field.annotation))
    found = (*field.metadata, *chain.from_iterable(optional))
    return any(isinstance(each, BeforeValidator) and each.func is parse_duration for each in found)


def _with_unit(seconds: float) -> str | float:
    """As people write it, if that isn't rounded."""
    text = format_duration(seconds)
    return text if parse_duration(text) == seconds else seconds
