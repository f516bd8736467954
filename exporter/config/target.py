"""Configuration of targets."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import Field, JsonValue, WithJsonSchema, field_validator, model_validator

from exporter.config.connection import Connection, TimeoutOverrides, TlsSettings
from exporter.config.fetching import fetch
from exporter.config.model_server import ColdStart, WatchedBoot
from exporter.config.names import header_mistakes, label_mistakes
from exporter.config.slo import Slo
from exporter.prices.settings import PriceSettings, TargetBudget
from exporter.providers import PRESETS, PROVIDERS, Dialect, Kind, Provider
from exporter.providers.presets import Preset
from exporter.settings.nesting import depth
from exporter.settings.secret import Secret
from exporter.settings.types import Duration, HeaderValue, HttpUrl, Model, UnknownName, raise_all

_READY_LIMIT_SECONDS = 600.0
_REGION = re.compile(r"[A-Za-z0-9._-]{1,64}")
MAX_NAME_CHARACTERS = 200
_MAX_DEPTH = 64
"""The maximum depth of ``extra_body``. Servers accept a few dozen levels, and encoding is
recursive."""

TargetName = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS)]
ModelName = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS)]
PresetName = Annotated[str, WithJsonSchema({"type": "string", "enum": [*PRESETS]})]


class Target(Model):
    """A model to probe."""

    name: TargetName
    """The value of the label ``target``."""
    provider: str = Field(json_schema_extra={"enum": [*sorted(PROVIDERS)]})
    """The API that the target speaks."""
    preset: PresetName | None = None
    """For provider ``openai``: the server that implements the API. The exporter recognizes presets
    by their public ``base_url``."""
    model: ModelName
    """The provider's name for the model."""
    base_url: HttpUrl | None = None
    """Base URL of the API. Defaults to the provider's public endpoint."""
    region: str | None = None
    """The region, for providers with regional endpoints or signatures."""
    api_version: str | None = None
    """For providers with several API versions. Defaults to the latest supported version."""
    api_key: Secret | None = None
    headers: dict[str, HeaderValue] = Field(default={})
    """Extra request headers. A header that carries credentials must be a secret."""
    extra_body: dict[str, JsonValue] = Field(default={})
    """Extra request fields, merged over the exporter's own as a JSON Merge Patch (RFC 7396)."""
    probes: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Names of the probes to send. Defaults to all probes."""
    interval: Duration | None = None
    timeout: Duration | None = None
    timeouts: TimeoutOverrides = TimeoutOverrides()
    connection: Connection | None = None
    confirm: bool | None = None
    """Whether to probe again within seconds if the latest probes suggest a change."""
    tls: TlsSettings = TlsSettings()
    labels: dict[str, str] = Field(default={})
    """Extra labels for all series of the target."""
    price: PriceSettings | None = None
    """The price. Defaults to the price in ``prices_file``."""
    price_key: str | None = Field(default=None, min_length=1)
    """The model's key in ``prices_file``, if provider and model don't identify it."""
    budget: TargetBudget | None = None
    cold_start: ColdStart | None = None
    boot: WatchedBoot | None = None
    """Watches the server while it boots. Always on for provider ``vllm``."""
    slo: Slo | None = None

    @field_validator("provider")
    @classmethod
    def _provider_is_known(cls, provider: str) -> str:
        if provider not in PROVIDERS:
            raise UnknownName("provider", provider, PROVIDERS)
        return provider

    @field_validator("preset")
    @classmethod
    def _preset_is_known(cls, preset: str | None) -> str | None:
        if preset is not None and preset not in PRESETS:
            raise UnknownName("preset", preset, PRESETS)
        return preset

    @field_validator("labels")
    @classmethod
    def _labels_are_allowed(cls, labels: dict[str, str]) -> dict[str, str]:
        raise_all("labels", label_mistakes(labels))
        return labels

    @field_validator("headers")
    @classmethod
    def _headers_can_be_sent(cls, headers: dict[str, HeaderValue]) -> dict[str, HeaderValue]:
        raise_all("headers", header_mistakes(headers))
        return headers

    @field_validator("region")
    @classmethod
    def _region_is_a_name(cls, region: str | None) -> str | None:
        if region is not None and not _REGION.fullmatch(region):
            raise ValueError("must be 1 to 64 letters, digits, dots, hyphens and underscores")
        return region

    @field_validator("extra_body")
    @classmethod
    def _extra_body_is_shallow(cls, body: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if depth(body, _MAX_DEPTH) > _MAX_DEPTH:
            raise ValueError(f"is nested more than {_MAX_DEPTH} deep")
        return body

    @model_validator(mode="after")
    def _preset_fits(self) -> Self:
        if self.preset and self.preset not in self.row.presets:
            names = ", ".join(repr(name) for name, row in PROVIDERS.items() if row.presets)
            wrong = ValueError(f"works only with provider {names}; remove it or change provider")
            raise_all("Target", [(("preset",), wrong)])
        return self

    @model_validator(mode="after")
    def _api_version_is_known(self) -> Self:
        if self.api_version is not None:
            try:
                self.row.check_api_version(self.api_version)
            except ValueError as error:
                raise_all("Target", [(("api_version",), error)])
        return self

    @model_validator(mode="after")
    def _endpoint_is_known(self) -> Self:
        try:
            endpoint = self.endpoint
        except ValueError as error:
            raise_all("Target", [(("region",), error)])
        else:
            if not endpoint:
                server = f"preset {self.preset!r}" if self.preset else f"provider {self.provider!r}"
                raise ValueError(f"base_url must be set for {server}")
        return self

    @property
    def server(self) -> str:
        """An identifier of the model server.

        Targets with the same server belong to the same shard, because only a single exporter can
        leave a server idle.
        """
        return (self.cold_start and self.cold_start.group) or self.name

    @property
    def row(self) -> Provider:
        """The provider's entry in the table of providers."""
        return PROVIDERS[self.provider]

    def dialect(self, kind: Kind) -> Dialect[Any]:
        """Return the dialect for a kind of probe.

        :raises KeyError: the provider doesn't support this kind.
        """
        return self.row.dialect(self._served_by, kind)

    @property
    def _served_by(self) -> Preset:
        return self.row.server(self.preset, self.base_url)

    @property
    def watched_boot(self) -> WatchedBoot | None:
        """The effective settings for boots of the server; ``None`` if boots aren't watched."""
        return self.boot or (WatchedBoot() if self.row.watches_boots else None)

    @property
    def ready_limit_seconds(self) -> float:
        """How long the model can be not ready before that is a failure."""
        limits = [it.limit for it in (self.watched_boot, self.cold_start) if it]
        return max(limits, default=_READY_LIMIT_SECONDS)

    async def header_values(self) -> dict[str, str]:
        """Return the extra request headers, with the current values of secrets.

        :raises SecretError: a secret can't be read.
        """
        return {
            name: value if isinstance(value, str) else await fetch(value)
            for name, value in self.headers.items()
        }

    @property
    def public_endpoint(self) -> str | None:
        """The provider's public endpoint; ``None`` if there is none for this region."""
        try:
            return self.row.endpoint(self._served_by, self.region)
        except ValueError:
            return None

    @property
    def endpoint(self) -> str:
        """The effective base URL."""
        return self.base_url or self.row.endpoint(self._served_by, self.region) or ""
