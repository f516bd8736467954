"""What the exporter needs to know about a provider: one row per provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pkgutil import resolve_name
from typing import Any, cast

from exporter.providers.asks import Kind
from exporter.providers.base import Dialect
from exporter.providers.credentials import Credentials, KeyAlone
from exporter.providers.presets import Preset, preset_for


def one_version(version: str) -> None:
    """Reject an API version, because the API has only one or has it in the base URL.

    :raises ValueError: always.
    """
    raise ValueError("this provider has no API versions; remove it")


def located(where: str) -> Callable[..., Any]:
    """Return a function or class of a provider's module, which is imported with the first call.

    Few exporters use more than one provider, and the others would take a megabyte of memory.

    :param where: the module in this package and the name in it, as ``module:name``.
    """

    @cache
    def found() -> Callable[..., Any]:
        return cast(Callable[..., Any], resolve_name(f"{__package__}.{where}"))

    def call(*arguments: object) -> Any:
        return found()(*arguments)

    return call


def always(where: str) -> Callable[[Preset], Dialect[Any]]:
    """Return a dialect that doesn't depend on the preset.

    :param where: as for ``located``.
    """
    dialect = cache(located(where))
    return lambda _preset: dialect()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One row of the table of providers."""

    name: str
    """The value of ``provider`` in the configuration."""
    speaks: Mapping[Kind, Callable[[Preset], Dialect[Any]]]
    """The kinds of probes that the provider supports, with the dialect for each."""
    public_base_url: Callable[[str | None], str | None] | None = None
    """Returns the public base URL in a region, or ``None`` if only the user can know it. Raises
    ``ValueError`` if the region doesn't exist. If this isn't set, the preset has the URL."""
    check_api_version: Callable[[str], None] = one_version
    """Raises ``ValueError`` if the API doesn't have this version."""
    credentials: Credentials = field(default_factory=KeyAlone)
    """Where a call without an API key gets its credentials."""
    presets: Mapping[str, Preset] = field(default_factory=dict)
    """The servers that a target can name as its ``preset``."""
    preset: Preset | None = None
    """The provider's only server. If this isn't set, the server is recognized by its host name."""
    billed_as: tuple[str, ...] = ()
    """The values of ``litellm_provider`` in LiteLLM's price file, if only one vendor speaks the
    dialect, whatever the gateway. Other vendors are recognized by their host names."""
    watches_boots: bool = False
    """Whether the exporter watches the boots of these servers by default."""
    tells_load_time: bool = False
    """Whether answers report how long the model took to load."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of probes that the provider supports."""
        return tuple(self.speaks)

    def server(self, preset: str | None, base_url: str | None) -> Preset:
        """Return the server of a target.

        :raises KeyError: there is no such preset.
        """
        return self.preset or preset_for(preset, base_url)

    def endpoint(self, server: Preset, region: str | None) -> str | None:
        """Return the public base URL, or ``None`` if only the user can know it.

        :raises ValueError: there is no such region. The message lists the known regions.
        """
        return self.public_base_url(region) if self.public_base_url else server.endpoint(region)

    def dialect(self, server: Preset, kind: Kind) -> Dialect[Any]:
        """Return the dialect for one kind of probe on this server.

        :raises KeyError: the provider doesn't support this kind.
        """
        return self.speaks[kind](server)
