"""Templates of targets. Discovery fills their placeholders."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails

from exporter.config.kubernetes import KubernetesDiscovery
from exporter.config.target import Target
from exporter.settings.explain import explain
from exporter.settings.mistakes import Location
from exporter.settings.types import Located, UnknownName

_FIELDS = ("name", "model", "base_url", "region", "labels")
"""The fields with placeholders. In other fields, such as ``extra_body``, braces have no meaning."""
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_SIMPLE = ("namespace", "name", "address", "port")
_MAPPINGS = ("label", "annotation")


@dataclass(frozen=True, slots=True)
class Found:
    """One discovered pod or service."""

    namespace: str
    name: str
    address: str
    """A host for a URL, with IPv6 addresses in brackets."""
    port: int
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


class MissingValueError(ValueError):
    """The pod or service lacks a label or annotation that the template refers to."""


class _Everything(dict[str, str]):
    """Has every label, to check a template before discovery finds anything."""

    def get(self, key: str, default: Any = None) -> Any:
        return "example"


_EXAMPLE = Found("namespace", "name", "192.0.2.1", 8000, _Everything(), _Everything())


def render(template: Mapping[str, object], found: Found) -> dict[str, object]:
    """Fill a template. The result isn't validated.

    :raises MissingValueError: a label or annotation is missing.
    :raises UnknownName: a placeholder is unknown.
    """
    return {
        key: _filled(value, found) if key in _FIELDS else value
        for key, value in {"name": "{namespace}/{name}", **template}.items()
    }


def _filled(value: object, found: Found) -> object:
    if isinstance(value, dict):
        return {key: _filled(inner, found) for key, inner in value.items()}
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: _value(match[1], found), value)
    return value


def _value(placeholder: str, found: Found) -> str:
    if placeholder in _SIMPLE:
        return str(getattr(found, placeholder))
    kind, _, key = placeholder.partition(":")
    if kind not in _MAPPINGS or not key:
        known = (*_SIMPLE, *(f"{kind}:KEY" for kind in _MAPPINGS))
        raise UnknownName("placeholder", placeholder, known)
    value: str | None = getattr(found, f"{kind}s").get(key)
    if value is None:
        raise MissingValueError(f"it has no {kind} {key!r}")
    return value


def template_mistakes(
    discoveries: Iterable[KubernetesDiscovery],
    probes: Collection[str],
    mistakes_of: Callable[[Target], Iterable[Located]],
) -> Iterator[InitErrorDetails | Located]:
    """Yield errors in templates that don't depend on what discovery finds.

    :param probes: the names of all probes.
    :param mistakes_of: yields the errors in a target that depend on the rest of the configuration.
    """
    for index, discovery in enumerate(discoveries):
        at = ("kubernetes_discovery", index, "target")
        try:
            asked = Target.model_validate(render(discovery.target, _EXAMPLE))
        except UnknownName as error:
            yield at, error
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                yield _moved(at, detail)
        else:
            for position, probe in enumerate(asked.probes or ()):
                if probe not in probes:
                    yield (*at, "probes", position), UnknownName("probe", probe, probes)
            yield from (((*at, *place), wrong) for place, wrong in mistakes_of(asked))


def _moved(at: Location, detail: ErrorDetails) -> InitErrorDetails | Located:
    location = (*at, *detail["loc"])
    if detail["type"] == "missing":  # the location of a missing key is the mapping above it
        return InitErrorDetails(type="missing", loc=location, input=detail["input"])
    return location, ValueError(explain(detail, Target))
