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
from exporter.settings.secret import Secret
from exporter.settings.types import Duration, HeaderValue, HttpUrl, Model, UnknownName, raise_all

_READY_LIMIT_SECONDS = 600.0
_REGION = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MAX_DEPTH = 64
"""Of ``extra_body``. Servers read some dozens of levels, and writing them takes the stack."""

PresetName = Annotated[str, WithJsonSchema({"type": "string", "enum": [*PRESETS]})]


def _depth(value: JsonValue, limit: int) -> int:
    """How deep a value is nested; no further than the limit is looked."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((_depth(each, limit - 1) for each in inner), default=0) if limit >= 0 else 0


class Target(Model):
    """A target: where probes go."""

    name: str = Field(min_length=1, max_length=200)
    provider: str = Field(json_schema_extra={"enum": [*sorted(PROVIDERS)]})
    """The dialect that the API speaks."""
    preset: PresetName | None = None
    """For provider ``openai``: which server this is. Where not set, it is recognised by
    ``base_url`` if it is a public one."""
    model: str = Field(min_length=1, max_length=200)
    base_url: HttpUrl | None = None
    """Where the API lives; the provider's public endpoint where not set."""
    region: str | None = None
    api_version: str | None = None
    """For providers whose API has several versions; the newest known one where not set."""
    api_key: Secret | None = None
    headers: dict[str, HeaderValue] = Field(default={})
    """Further request headers; those that carry credentials must be secrets."""
    extra_body: dict[str, JsonValue] = Field(default={})
    """Further request fields, merged over the dialect's own as a JSON Merge Patch (RFC 7396)."""
    probes: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Names of the probes to ask; all of them where not set."""
    interval: Duration | None = None
    timeout: Duration | None = None
    timeouts: TimeoutOverrides = TimeoutOverrides()
    connection: Connection | None = None
    confirm: bool | None = None
    """Ask again within seconds when the latest probes look as if something had changed."""
    tls: TlsSettings = TlsSettings()
    labels: dict[str, str] = Field(default={})
    price: PriceSettings | None = None
    """What it costs; looked up in ``prices_file`` where not set."""
    price_key: str | None = Field(default=None, min_length=1)
    """The model's key in ``prices_file``, where provider and model do not lead to it."""
    budget: TargetBudget | None = None
    cold_start: ColdStart | None = None
    boot: WatchedBoot | None = None
    """How its server is watched while it boots; provider ``vllm`` is watched in any case."""
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
        if _depth(body, _MAX_DEPTH) > _MAX_DEPTH:
            raise ValueError(f"is nested more than {_MAX_DEPTH} deep")
        return body

    @model_validator(mode="after")
    def _preset_fits(self) -> Self:
        if self.preset and self.preset not in self.row.presets:
            names = ", ".join(repr(name) for name, row in PROVIDERS.items() if row.presets)
            wrong = ValueError(f"goes with provider {names} only; remove one of the two")
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
        """What targets that share a model server share: they go to the same shard, since only one
        exporter can leave a server alone."""
        return (self.cold_start and self.cold_start.group) or self.name

    @property
    def row(self) -> Provider:
        """What is special about its provider."""
        return PROVIDERS[self.provider]

    def dialect(self, kind: Kind) -> Dialect[Any]:
        """How it is asked a kind of question.

        :raises KeyError: it cannot be asked that.
        """
        return self.row.dialect(self._served_by, kind)

    @property
    def _served_by(self) -> Preset:
        return self.row.server(self.preset, self.base_url)

    @property
    def watched_boot(self) -> WatchedBoot | None:
        """How the boots of its server are watched; ``None`` where they are not."""
        return self.boot or (WatchedBoot() if self.row.watches_boots else None)

    @property
    def ready_limit_seconds(self) -> float:
        """How long the model may be not ready before that is a fault."""
        limits = [it.limit for it in (self.watched_boot, self.cold_start) if it]
        return max(limits, default=_READY_LIMIT_SECONDS)

    async def header_values(self) -> dict[str, str]:
        """The further request headers, secrets read.

        :raises SecretError: one of them cannot be.
        """
        return {
            name: value if isinstance(value, str) else await fetch(value)
            for name, value in self.headers.items()
        }

    @property
    def public_endpoint(self) -> str | None:
        """Where its provider's public API lives; ``None`` where there is none, or none of this
        region."""
        try:
            return self.row.endpoint(self._served_by, self.region)
        except ValueError:
            return None

    @property
    def endpoint(self) -> str:
        """The base URL in force."""
        return self.base_url or self.row.endpoint(self._served_by, self.region) or ""
