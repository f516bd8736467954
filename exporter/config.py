"""The configuration as typed, frozen models: what is asked, who is asked, how often.

``exporter.loading.config_file`` fills these models from YAML and the environment, and turns what
pydantic says about a mistake into file, line, key and the nearest known name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, WithJsonSchema, field_validator, model_validator

from exporter.config_kubernetes import Kubernetes, KubernetesDiscovery
from exporter.config_types import (
    Duration,
    HeaderValue,
    HttpUrl,
    Located,
    Model,
    UnknownName,
    UrlPath,
    raise_all,
)
from exporter.paths import FilePath
from exporter.pattern import Pattern
from exporter.prices.entry import UnknownPrice
from exporter.prices.file import LoadedPrices
from exporter.prices.settings import (
    Budget,
    Currencies,
    PriceMix,
    PriceSettings,
    ServerPriceSettings,
    TargetBudget,
    TokenPriceSettings,
    currency_mistakes,
)
from exporter.prices.vendors import vendor_of
from exporter.pricing import Mix, Price, exact
from exporter.prompts import LoadedPrompts
from exporter.providers import PRESETS, PROVIDERS, WITH_PRESETS, Dialect, dialect_for
from exporter.providers.base import SelfHosted
from exporter.secret import Secret
from exporter.slo import Slo
from exporter.target_template import template_mistakes

RESERVED_LABELS = frozenset(
    {"target", "provider", "model", "probe", "le", "quantile", "job", "instance", "reason",
     "outcome", "type", "phase", "resource", "slo", "mix", "endpoint", "region", "served_model"}
)  # fmt: skip
"""Label names that the exporter or Prometheus itself gives a meaning to."""

_IDLES_PER_CYCLE = 4
_READY_LIMIT_SECONDS = 600.0

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class TimeoutOverrides(Model):
    """Bounds on the parts of a probe; what is not set is bounded by ``timeout`` alone."""

    connect: Duration | None = None
    """Opening a connection: DNS, TCP and TLS together."""
    first_token: Duration | None = None
    """From the last byte sent to the first output."""
    stall: Duration | None = None
    """Between two pieces of output, and from the last one to the end of the stream."""
    total: Duration | None = None
    """The whole probe; the same as ``timeout``, and stronger than it."""


class TlsSettings(Model):
    """How a target's certificate is verified; verification cannot be turned off."""

    ca_file: FilePath | None = None
    """Certificates to trust beside the system's."""
    cert_file: FilePath | None = None
    """Client certificate chain, PEM."""
    key_file: FilePath | None = None
    """Private key of ``cert_file``, PEM."""

    @model_validator(mode="after")
    def _certificate_and_key_go_together(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file must be set together")
        return self


class Expectation(Model):
    """What a right answer looks like; every given condition must hold."""

    regex: str | None = None
    """A regular expression in Rust's syntax that must be found somewhere in the answer."""
    contains: str | None = None
    """Text that the answer must contain."""
    answer_json: bool | dict[str, JsonValue] | None = Field(default=None, alias="json")
    """``true``: the answer must be JSON; a mapping: a JSON object that has these members."""

    @field_validator("regex")
    @classmethod
    def _regex_compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            Pattern(pattern)
        return pattern

    @cached_property
    def pattern(self) -> Pattern | None:
        """``regex``, ready to be searched for."""
        return None if self.regex is None else Pattern(self.regex)


class Probe(Model):
    """What is asked."""

    prompt: str | None = Field(default=None, min_length=1)
    """The text to send; a fresh nonce is put before it."""
    prompts_file: LoadedPrompts | None = None
    """JSON lines, each ``{"prompt": "..."}``; probes take them in turn."""
    max_output_tokens: int = Field(default=64, ge=1, le=100_000)
    expect: Expectation | None = None

    @model_validator(mode="after")
    def _exactly_one_source(self) -> Self:
        if (self.prompt is None) == (self.prompts_file is None):
            raise ValueError("set exactly one of prompt and prompts_file")
        return self

    @property
    def prompts(self) -> tuple[str, ...]:
        """What to send, in turn; at least one text."""
        return self.prompts_file.prompts if self.prompts_file else (self.prompt or "",)

    @cached_property
    def longest_prompt_bytes(self) -> int:
        """How long any of the prompts is at most, as UTF-8."""
        return max(len(prompt.encode()) for prompt in self.prompts)


class ColdStart(Model):
    """Measure the model after idleness."""

    idle: Duration
    """How long the target is left alone before a cold probe."""
    every: Duration | None = None
    """How often that is done; four times ``idle`` where not set."""
    group: str | None = Field(default=None, min_length=1, max_length=200)
    """Targets with the same group share a model server: they are left alone together."""
    retry: Duration = 2.0
    """How long to wait before a model that is not ready is asked again."""
    limit: Duration = 600.0
    """How long a model may be not ready before that is a failure."""

    @model_validator(mode="after")
    def _leaves_time_for_warm_probes(self) -> Self:
        if self.every is not None and self.every <= self.idle:
            every = ValueError("must be longer than idle; in between, warm probes are sent")
            raise_all("ColdStart", [(("every",), every)])
        return self

    @property
    def every_seconds(self) -> float:
        return self.every or _IDLES_PER_CYCLE * self.idle


class Boot(Model):
    """Watch the server of a model from the first refused connection to the first token."""

    health_path: UrlPath = "/health"
    """Answers with success once the server is healthy."""
    models_path: UrlPath = "/v1/models"
    """Lists the models that the server has loaded."""
    poll: Duration = 1.0
    """How often the server is looked at."""
    limit: Duration = 900.0
    """How long a boot may take before it is a failure."""


Connection = Literal["reuse", "fresh"]

PresetName = Annotated[str, WithJsonSchema({"type": "string", "enum": [*PRESETS]})]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie"}
)


def _label_mistakes(labels: Iterable[str]) -> Iterator[Located]:
    for name in labels:
        if not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
            yield (name,), ValueError(f"{name!r} is not a Prometheus label name")
        elif name in RESERVED_LABELS:
            yield (name,), ValueError(f"label {name!r} is reserved for the exporter itself")


def _header_mistakes(headers: Mapping[str, HeaderValue]) -> Iterator[Located]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            yield (name,), ValueError(f"{name!r} is not the name of a header")
        elif isinstance(value, str) and name.lower() in SECRET_HEADERS:
            yield (name,), ValueError("carries a secret; write {env: NAME} or {file: PATH}")
        elif isinstance(value, str) and not (value.isascii() and value.isprintable()):
            yield (name,), ValueError("must be one line of ASCII")


class Target(Model):
    """Who is asked."""

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
    tls: TlsSettings = TlsSettings()
    labels: dict[str, str] = Field(default={})
    price: PriceSettings | None = None
    """What it costs; looked up in ``prices_file`` where not set."""
    price_key: str | None = Field(default=None, min_length=1)
    """The model's key in ``prices_file``, where provider and model do not lead to it."""
    budget: TargetBudget | None = None
    cold_start: ColdStart | None = None
    boot: Boot | None = None
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
        raise_all("labels", _label_mistakes(labels))
        return labels

    @field_validator("headers")
    @classmethod
    def _headers_can_be_sent(cls, headers: dict[str, HeaderValue]) -> dict[str, HeaderValue]:
        raise_all("headers", _header_mistakes(headers))
        return headers

    @model_validator(mode="after")
    def _preset_fits(self) -> Self:
        if self.preset and self.provider != WITH_PRESETS:
            wrong = ValueError(f"goes with provider {WITH_PRESETS!r} only; remove one of the two")
            raise_all("Target", [(("preset",), wrong)])
        return self

    @model_validator(mode="after")
    def _api_version_is_known(self) -> Self:
        if self.api_version is not None:
            try:
                self.dialect.check_api_version(self.api_version)
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
    def dialect(self) -> Dialect:
        return dialect_for(self.provider, self.preset, self.base_url)

    @property
    def watched_boot(self) -> Boot | None:
        """How the boots of its server are watched; ``None`` where they are not."""
        return self.boot or (Boot() if isinstance(self.dialect, SelfHosted) else None)

    @property
    def ready_limit_seconds(self) -> float:
        """How long the model may be not ready before that is a fault."""
        limits = [it.limit for it in (self.watched_boot, self.cold_start) if it]
        return max(limits, default=_READY_LIMIT_SECONDS)

    def header_values(self) -> dict[str, str]:
        """The further request headers, secrets read.

        :raises SecretError: one of them cannot be.
        """
        return {
            name: value if isinstance(value, str) else value.read()
            for name, value in self.headers.items()
        }

    @property
    def endpoint(self) -> str:
        """The base URL in force."""
        return self.base_url or self.dialect.public_base_url(self.region) or ""


class Defaults(Model):
    """What holds for every target that does not say otherwise."""

    interval: Duration = 60.0
    timeout: Duration = 30.0
    timeouts: TimeoutOverrides = TimeoutOverrides()
    connection: Connection = "reuse"
    max_uncertainty: Duration = 0.01
    """A success whose times may be further off than this, since the exporter read too late, is
    counted apart and its times are left out."""


class Web(Model):
    """The exporter's own HTTP server."""

    listen: str = "0.0.0.0:9850"
    """``HOST:PORT``; an IPv6 address stands in brackets."""
    config_file: FilePath | None = None
    """TLS and basic auth, in the format of Prometheus' exporter-toolkit."""
    enable_lifecycle: bool = False
    """Whether ``POST /-/reload`` is answered."""

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, listen: str) -> str:
        match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]*):(\d{1,5})", listen)
        if not match or int(match[2]) > 65535:
            raise ValueError(f"{listen!r} is not HOST:PORT")
        return listen

    @property
    def host_and_port(self) -> tuple[str, int]:
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]") or "0.0.0.0", int(port)


DEFAULT_PROMPT = "Count from 1 to 20, separated by spaces."
DEFAULT_PROBES = {
    "short": Probe(
        prompt=DEFAULT_PROMPT,
        max_output_tokens=64,
        expect=Expectation(regex=r"\b20\b"),
    )
}


class Config(Model):
    """The configuration of inference-exporter."""

    web: Web = Web()
    defaults: Defaults = Defaults()
    probes: dict[str, Probe] = Field(default=DEFAULT_PROBES, min_length=1)
    """What is asked, by name."""
    targets: tuple[Target, ...] = ()
    """Who is asked."""
    target_files: tuple[str, ...] = ()
    """Glob patterns of files with further targets, watched for changes."""
    budget: Budget = Budget()
    prices_file: LoadedPrices | None = None
    """LiteLLM's ``model_prices_and_context_window.json``; gives a price to targets without."""
    currencies: Currencies = Field(default={})
    """What one unit of each currency that a price is in is worth, in USD."""
    price_mix: PriceMix = PriceMix()
    kubernetes: Kubernetes = Kubernetes()
    kubernetes_discovery: tuple[KubernetesDiscovery, ...] = ()
    """Further targets, found in a Kubernetes cluster."""
    leader_election: Literal["kubernetes-lease"] | None = None
    """Whether several exporters agree on one that probes."""

    @model_validator(mode="after")
    def _names_are_consistent(self) -> Self:
        asked = [(target.name, target.probes or ()) for target in self.targets]
        raise_all("Config", name_mistakes(asked, self.probes))
        prices = [target.price for target in self.targets]
        raise_all("Config", currency_mistakes(prices, self.currencies))
        return self

    @model_validator(mode="after")
    def _groups_keep_one_silence(self) -> Self:
        raise_all("Config", _group_mistakes(self.targets))
        return self

    def price_of(self, target: Target) -> Price:
        """What a target costs: its own price, else the price file's.

        :raises UnknownPrice: there is neither.
        """
        match target.price:
            case TokenPriceSettings() as price:
                return price.in_usd(self.currencies)
            case ServerPriceSettings() as price:
                return price.whole_server()
        if self.prices_file is None:
            raise UnknownPrice("set price, or prices_file")
        service_tier = target.extra_body.get("service_tier")
        if target.price_key:
            return self.prices_file.by_key(target.price_key, service_tier)
        vendor = vendor_of(target.provider, target.endpoint)
        if vendor is None:
            raise UnknownPrice(f"nobody knows who bills for {target.endpoint}; set price_key")
        return self.prices_file.by_model(vendor, target.model, target.region, service_tier)

    def unknown_prices(self) -> Iterator[tuple[str, str]]:
        """The name of every target whose price is not known, and why it is not, where a price
        file or a budget says that somebody cares."""
        everybody = self.prices_file or self.budget.usd_per_day
        for target in self.targets:
            if not (everybody or target.budget or target.price_key):
                continue
            try:
                self.price_of(target)
            except UnknownPrice as unknown:
                yield target.name, str(unknown)

    @property
    def mix(self) -> Mix:
        """How prices are blended."""
        return Mix(exact(self.price_mix.input), exact(self.price_mix.output))

    @model_validator(mode="after")
    def _templates_make_targets(self) -> Self:
        raise_all("Config", template_mistakes(self.kubernetes_discovery, Target, self.probes))
        return self

    def plans(self) -> tuple[Plan, ...]:
        """Every target with every probe that it is to be asked, defaults filled in."""
        return tuple(
            Plan(
                target=target,
                probe_name=name,
                probe=self.probes[name],
                interval_seconds=target.interval or self.defaults.interval,
                timeouts=self._timeouts(target),
                fresh_connection=(target.connection or self.defaults.connection) == "fresh",
                max_uncertainty_seconds=self.defaults.max_uncertainty,
                price=self._known_price_of(target),
            )
            for target in self.targets
            for name in (self.probes if target.probes is None else target.probes)
        )

    def _known_price_of(self, target: Target) -> Price | None:
        try:
            return self.price_of(target)
        except UnknownPrice:
            return None

    def _timeouts(self, target: Target) -> Timeouts:
        own, default = target.timeouts, self.defaults.timeouts
        return Timeouts(
            connect=own.connect or default.connect,
            first_token=own.first_token or default.first_token,
            stall=own.stall or default.stall,
            total=own.total or target.timeout or default.total or self.defaults.timeout,
        )


def name_mistakes(
    targets: Sequence[tuple[str | None, Sequence[str]]], probes: Collection[str]
) -> Iterator[Located]:
    """What is wrong between these targets, each a name and the names of its probes, and these
    names of probes. A target that has no name yet is given as ``None``."""
    seen: set[str] = set()
    for index, (target, asked) in enumerate(targets):
        if target in seen:
            taken = ValueError(f"another target is named {target!r}; rename one")
            yield ("targets", index, "name"), taken
        elif target is not None:
            seen.add(target)
        for position, probe in enumerate(asked):
            at = ("targets", index, "probes", position)
            if probe not in probes:
                yield at, UnknownName("probe", probe, probes)
            elif probe in asked[:position]:
                yield at, ValueError(f"probe {probe!r} is listed twice; remove one")


def _group_mistakes(targets: Iterable[Target]) -> Iterator[Located]:
    first: dict[str, tuple[str, ColdStart]] = {}
    for index, target in enumerate(targets):
        cold = target.cold_start
        if cold is None or cold.group is None:
            continue
        name, other = first.setdefault(cold.group, (target.name, cold))
        if (cold.idle, cold.every_seconds) != (other.idle, other.every_seconds):
            wrong = f"must have the idle and every of target {name!r}, which is in the same group"
            yield ("targets", index, "cold_start"), ValueError(wrong)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bounds in force for one probe, in seconds; only ``total`` always exists."""

    total: float
    connect: float | None = None
    first_token: float | None = None
    stall: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """One target and one probe to ask it: what the scheduler schedules and a probe carries out."""

    target: Target
    probe_name: str
    probe: Probe
    interval_seconds: float
    timeouts: Timeouts
    fresh_connection: bool
    max_uncertainty_seconds: float = math.inf
    price: Price | None = None
    """``None`` where it is not known."""

    @property
    def key(self) -> tuple[str, str]:
        """What no two plans share."""
        return self.target.name, self.probe_name
