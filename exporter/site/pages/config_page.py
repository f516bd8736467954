"""The active configuration as YAML; secrets appear only as references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from exporter.config.root import Config
from exporter.prices.file import PriceFile
from exporter.settings.prompts import PromptsFile
from exporter.settings.redaction import redact
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
    values = {
        fields[name].alias or name: getattr(model, name)
        for name in fields
        if name in model.model_fields_set
    }
    return {name: _plain(value) for name, value in values.items() if value not in (None, {}, ())}
