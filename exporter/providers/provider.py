"""A provider is a row: whatever the exporter does differently from one to the next is said here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.providers.asks import Kind
from exporter.providers.base import Dialect
from exporter.providers.credentials import Credentials, KeyAlone
from exporter.providers.presets import Preset, preset_for


def one_version(version: str) -> None:
    """The API has one version only, or has it in its base URL.

    :raises ValueError: always.
    """
    raise ValueError("this provider has no API versions; remove it")


def always(dialect: Dialect[Any]) -> Callable[[Preset], Dialect[Any]]:
    """A dialect that every server speaks in the same way."""
    return lambda _preset: dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One row of the table of providers."""

    name: str
    """What ``provider`` says in the configuration."""
    speaks: Mapping[Kind, Callable[[Preset], Dialect[Any]]]
    """The kinds of probes that it can be asked, and how each is put on the wire."""
    public_base_url: Callable[[str | None], str | None] | None = None
    """Where its public API lives in a region, ``None`` where only the user can know; raises
    ``ValueError`` for a region that it does not have. The preset says it where this is not set."""
    check_api_version: Callable[[str], None] = one_version
    """Raises ``ValueError`` for a version that its API does not have."""
    credentials: Credentials = field(default_factory=KeyAlone)
    """Where a call without an API key gets what lets it in."""
    presets: Mapping[str, Preset] = field(default_factory=dict)
    """The servers that a target may name as its ``preset``."""
    preset: Preset | None = None
    """The one server that it is; recognised by its host where not set."""
    billed_as: tuple[str, ...] = ()
    """What ``litellm_provider`` may be in LiteLLM's price file, where one vendor alone speaks the
    dialect, behind whatever gateway. Everybody else is known by the host."""
    watches_boots: bool = False
    """Whether its servers are watched while they boot, without being asked for."""
    tells_load_time: bool = False
    """Whether its answers say how long the model took to load, if it had to."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What it can be asked."""
        return tuple(self.speaks)

    def server(self, preset: str | None, base_url: str | None) -> Preset:
        """Which server a target is.

        :raises KeyError: there is no such preset.
        """
        return self.preset or preset_for(preset, base_url)

    def endpoint(self, server: Preset, region: str | None) -> str | None:
        """Where its public API lives; ``None`` where only the user can know.

        :raises ValueError: there is no such region; the message names those there are.
        """
        return self.public_base_url(region) if self.public_base_url else server.endpoint(region)

    def dialect(self, server: Preset, kind: Kind) -> Dialect[Any]:
        """How this server is asked a kind of question.

        :raises KeyError: it cannot be asked that.
        """
        return self.speaks[kind](server)
