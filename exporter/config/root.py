"""The whole configuration.

``exporter.config.loading`` fills its models from YAML and the environment. It turns pydantic's
errors into messages with file, line, key and the nearest known name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from exporter.config.connection import Connection, TimeoutOverrides
from exporter.config.control import Control
from exporter.config.exposed import ExposedMetrics
from exporter.config.kind_support import support_mistakes
from exporter.config.kubernetes import Kubernetes, KubernetesDiscovery
from exporter.config.labels import Label
from exporter.config.location import ExporterLocation
from exporter.config.model_server import ColdStart
from exporter.config.plan import Plan, Timeouts
from exporter.config.probe import AnyProbe
from exporter.config.push import Push
from exporter.config.target import Target
from exporter.config.target_template import template_mistakes
from exporter.config.web import Web
from exporter.kinds import Probe
from exporter.kinds.chat import DEFAULT_PROBES
from exporter.prices.entry import UnknownPrice
from exporter.prices.file import LoadedPrices
from exporter.prices.price import Mix, Price, exact
from exporter.prices.settings import (
    Budget,
    Currencies,
    PriceMix,
    ServerPriceSettings,
    TokenPriceSettings,
    currency_mistakes,
)
from exporter.prices.vendors import vendor_of
from exporter.settings.paths import FilePath
from exporter.settings.types import Duration, Located, Model, UnknownName, raise_all

VERSION = 1
"""The version of the file format that this release reads."""


class Defaults(Model):
    """Defaults for all targets."""

    interval: Duration = 60.0
    timeout: Duration = 30.0
    timeouts: TimeoutOverrides = TimeoutOverrides()
    connection: Connection = "reuse"
    max_uncertainty: Duration = 0.01
    """Maximum uncertainty of a result's times. If the exporter read too late to be sure, it counts
    the success separately and leaves out its times."""
    confirm: bool = True
    """Whether to probe again within seconds if the latest probes suggest a change."""


class Config(Model):
    """The configuration of inference-exporter."""

    web: Web = Web()
    defaults: Defaults = Defaults()
    probes: dict[str, AnyProbe] = Field(default={**DEFAULT_PROBES}, min_length=1)
    """Requests to send, by name."""
    targets: tuple[Target, ...] = ()
    """Models to probe."""
    controls: tuple[Control, ...] = ()
    """Pages that are almost always up, to check the exporter's own network."""
    target_files: tuple[str, ...] = ()
    """Glob patterns of files with more targets, watched for changes."""
    budget: Budget = Budget()
    state_folder: FilePath | None = None
    """Folder for the history of fingerprints and embeddings, so that a change during a restart is
    detected. The folder must exist and be writable."""
    prices_file: LoadedPrices | None = None
    """LiteLLM's ``model_prices_and_context_window.json``, for targets without their own price."""
    currencies: Currencies = Field(default={})
    """The value in USD of one unit of each currency that prices use."""
    price_mix: PriceMix = PriceMix()
    location: ExporterLocation | None = None
    """Where this exporter runs: a label of every series that distinguishes exporters."""
    version: int = 1
    """Version of the file format."""
    metrics: ExposedMetrics = ExposedMetrics()
    push: Push | None = None
    """Where to send series if Prometheus can't scrape this exporter."""
    kubernetes: Kubernetes = Kubernetes()
    kubernetes_discovery: tuple[KubernetesDiscovery, ...] = ()
    """More targets, discovered in a Kubernetes cluster."""
    leader_election: Literal["kubernetes-lease"] | None = None
    """How several exporters elect the one that probes. Not set: this exporter always probes."""

    @field_validator("version")
    @classmethod
    def _version_is_known(cls, version: int) -> int:
        if version != VERSION:
            raise ValueError(
                f"this inference-exporter reads version {VERSION}; upgrade it, or set that version"
            )
        return version

    @model_validator(mode="after")
    def _names_are_consistent(self) -> Self:
        asked = [(target.name, target.probes or ()) for target in self.targets]
        raise_all("Config", name_mistakes(asked, self.probes))
        raise_all("Config", self._asking_mistakes())
        raise_all("Config", _control_mistakes(self.controls))
        return self

    def _asking_mistakes(self) -> Iterator[Located]:
        for index, target in enumerate(self.targets):
            for at, wrong in self._mistakes_of(target):
                yield ("targets", index, *at), wrong

    def _mistakes_of(self, target: Target) -> Iterator[Located]:
        """Yield the errors of a target that depend on the rest of the configuration."""
        yield from support_mistakes(target, self.probes)
        yield from currency_mistakes(target.price, self.currencies)

    @model_validator(mode="after")
    def _groups_have_the_same_idle_time(self) -> Self:
        raise_all("Config", _group_mistakes(self.targets))
        return self

    @model_validator(mode="after")
    def _templates_make_targets(self) -> Self:
        mistakes = template_mistakes(self.kubernetes_discovery, self.probes, self._mistakes_of)
        raise_all("Config", mistakes)
        return self

    def price_of(self, target: Target) -> Price:
        """Return the price of a target, from its configuration or from the price file.

        :raises UnknownPrice: neither has a price.
        """
        match target.price:
            case TokenPriceSettings() as price:
                return price.in_usd(self.currencies)
            case ServerPriceSettings() as price:
                return price.whole_server()
        if self.prices_file is None:
            raise UnknownPrice("set price, or prices_file")
        service_tier = target.extra_body.get("service_tier")
        vendor = vendor_of(target.endpoint, target.row.billed_as)
        if target.price_key:
            processed_in = vendor.processed_in if vendor else None
            return self.prices_file.by_key(target.price_key, service_tier, processed_in)
        if vendor is None:
            raise UnknownPrice(
                f"the vendor that bills for {target.endpoint} is unknown; set price_key"
            )
        return self.prices_file.by_model(vendor, target.model, target.region, service_tier)

    def unknown_prices(self) -> Iterator[tuple[str, str]]:
        """Yield the name of every target with an unknown price, and the reason.

        This includes only targets that need a price, because of a price file or a budget.
        """
        all_need_prices = self.prices_file or self.budget.usd_per_day
        for target in self.targets:
            if not (all_need_prices or target.budget or target.price_key):
                continue
            try:
                self.price_of(target)
            except UnknownPrice as unknown:
                yield target.name, str(unknown)

    @property
    def own_labels(self) -> dict[str, str]:
        """The labels of every series of this exporter."""
        return {Label.LOCATION: self.location} if isinstance(self.location, str) else {}

    @property
    def mix(self) -> Mix:
        """The mix of input and output for blended prices."""
        return Mix(exact(self.price_mix.input), exact(self.price_mix.output))

    def plans(self) -> tuple[Plan, ...]:
        """Return a plan for each target and each of its probes, with defaults filled in."""
        return tuple(
            Plan(
                target=target,
                probe_name=name,
                probe=self.probes[name],
                interval_seconds=self._interval(target, self.probes[name]),
                timeouts=self._timeouts(target, self.probes[name]),
                fresh_connection=(target.connection or self.defaults.connection) == "fresh",
                max_uncertainty_seconds=self.defaults.max_uncertainty,
                price=self._known_price_of(target),
                confirm=self.defaults.confirm if target.confirm is None else target.confirm,
            )
            for target in self.targets
            for name in (self.probes if target.probes is None else target.probes)
        )

    def _known_price_of(self, target: Target) -> Price | None:
        try:
            return self.price_of(target)
        except UnknownPrice:
            return None

    def _interval(self, target: Target, probe: Probe) -> float:
        return probe.interval or target.interval or self.defaults.interval

    def _timeouts(self, target: Target, probe: Probe) -> Timeouts:
        """Return the effective timeouts. First token and stall apply only to streamed answers."""
        own, default = target.timeouts, self.defaults.timeouts
        return Timeouts(
            connect=own.connect or default.connect,
            first_token=(own.first_token or default.first_token) if probe.streams else None,
            stall=(own.stall or default.stall) if probe.streams else None,
            total=own.total or target.timeout or default.total or self.defaults.timeout,
        )


def name_mistakes(
    targets: Sequence[tuple[str | None, Sequence[str]]], probes: Collection[str]
) -> Iterator[Located]:
    """Yield errors in the names of targets and in the probes that targets refer to.

    :param targets: the name of each target (``None`` if missing) and the names of its probes.
    :param probes: the names of all probes.
    """
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


def _control_mistakes(controls: Iterable[Control]) -> Iterator[Located]:
    seen: set[str] = set()
    for index, control in enumerate(controls):
        if control.name in seen:
            taken = ValueError(f"another control is named {control.name!r}; rename one")
            yield ("controls", index, "name"), taken
        seen.add(control.name)


def _group_mistakes(targets: Iterable[Target]) -> Iterator[Located]:
    first: dict[str, tuple[str, ColdStart]] = {}
    for index, target in enumerate(targets):
        cold = target.cold_start
        if cold is None or cold.group is None:
            continue
        name, other = first.setdefault(cold.group, (target.name, cold))
        if (cold.idle, cold.every_seconds) != (other.idle, other.every_seconds):
            wrong = f"must have the same idle and every as target {name!r}, which is in its group"
            yield ("targets", index, "cold_start"), ValueError(wrong)
