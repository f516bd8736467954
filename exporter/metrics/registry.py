"""All series of the process.

Each target and probe has its own series. Targets can therefore have different labels, a target's
series disappear with the target, and ``/probe`` can show one target alone.

The probing thread observes results, and also renders the blocks that they change. The web thread
concatenates the rendered blocks.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, Metric

from exporter import __version__
from exporter.coldness import BootPhase, Waiting
from exporter.config.exposed import ExposedMetrics
from exporter.config.plan import Identity, Plan, PlanChange
from exporter.metrics import exporter_families as own
from exporter.metrics.behaviour import Remembered
from exporter.metrics.exporter_families import EXPORTER_FAMILIES
from exporter.metrics.family import ANY, Family, Kind
from exporter.metrics.series import Block, Exposed, Series, exposed
from exporter.metrics.takes import OUTCOMES
from exporter.metrics.target_families import TARGET_FAMILIES
from exporter.metrics.target_series import TargetSeries, plan_labels
from exporter.metrics.values import Counter, Gauge
from exporter.observation import Observation
from exporter.prices.price import DEFAULT_MIX, Mix
from exporter.result import SkipReason


class Metrics:
    """The metrics on /metrics."""

    def __init__(
        self,
        own_labels: Mapping[str, str] = MappingProxyType({}),
        shown: ExposedMetrics = ExposedMetrics(),  # noqa: B008  it is frozen
    ) -> None:
        """Create the exporter's own series.

        :param own_labels: labels that every series carries.
        """
        self._own_labels = dict(own_labels)
        self._classic = shown.classic_histograms
        self.exporter = Series(EXPORTER_FAMILIES, self._own_labels, classic=self._classic)
        self.exporter.begin()
        python = platform.python_version()
        self.exporter.gauge(own.BUILD_INFO, version=__version__, python=python).set(1)
        self.probes_in_flight: Callable[[], int] = lambda: 0
        """Called at every scrape."""
        self.reporters: list[Callable[[Series], None]] = []
        """Called at every scrape, to set values that only they know."""
        self._targets: dict[Identity, TargetSeries] = {}

    def apply(self, change: PlanChange, mix: Mix = DEFAULT_MIX) -> None:
        """Create and remove series so that they match the active plans.

        A plan that already has series keeps their values, unless its labels have changed.
        """
        self.exporter.gauge(own.PRICE_MIX).set(float(mix.input / mix.output))
        targets = change.carry(self._targets, lambda plan: self._series_of(plan, mix))
        for plan in change.kept + change.changed:
            if targets[plan.identity].labels == plan_labels(plan) | self._own_labels:
                targets[plan.identity].apply(plan, mix)
            else:
                targets[plan.identity] = self._series_of(plan, mix)
        for plan in change.changed:  # a changed plan can have histograms that it didn't have before
            targets[plan.identity].begin(plan)
        self._targets = targets

    def _series_of(self, plan: Plan, mix: Mix) -> TargetSeries:
        return TargetSeries(plan, mix, self._own_labels, classic=self._classic)

    def observe(self, observation: Observation) -> None:
        """Count an observation. Ignore it if its target has been removed."""
        if series := self._targets.get(observation.plan.identity):
            series.observe(observation)
        self.exporter.take(observation, None)

    def skipped(self, plan: Plan, reason: SkipReason) -> None:
        """Count a scheduled probe that wasn't sent."""
        if series := self._targets.get(plan.identity):
            series.skipped(reason)

    def labels_of(self, plan: Plan) -> Mapping[str, str]:
        """Return the labels of a plan's series. They identify the plan across restarts."""
        return self._targets[plan.identity].labels

    def compared(self, plan: Plan) -> int:
        """Return how often a plan's answers were compared with their past."""
        return self._targets[plan.identity].compared

    def past_of(self, plan: Plan) -> tuple[Remembered, tuple[float, ...]]:
        """Return the past of a plan's answers: answers to fixed prompts, and the vector of a
        text."""
        series = self._targets[plan.identity]
        return series.behaviour, series.direction

    def recall(self, plan: Plan, behaviour: Remembered, direction: tuple[float, ...]) -> None:
        """Compare a plan's answers with the past from before a restart."""
        self._targets[plan.identity].recall(behaviour, direction)

    def evidence(self, plan: Plan, by_measure: Mapping[str, float]) -> None:
        """Set how strongly a plan's latest probes show a change."""
        if series := self._targets.get(plan.identity):
            series.set_evidence(by_measure)

    def apply_controls(self, names: Collection[str]) -> None:
        """Remove the series of all other controls."""
        for family in (own.CONTROL_PROBES, own.CONTROL_SUCCESS, own.CONTROL_DURATION):
            self.exporter.keep(family, "control", names)

    def control(self, name: str, seconds: float | None) -> None:
        """Count a request to a control, with its duration. ``None`` means that it got no
        response."""
        for outcome in OUTCOMES:
            self.exporter.counter(own.CONTROL_PROBES, control=name, outcome=outcome)
        outcome = "failure" if seconds is None else "success"
        self.exporter.counter(own.CONTROL_PROBES, control=name, outcome=outcome).inc()
        self.exporter.gauge(own.CONTROL_SUCCESS, control=name).set(seconds is not None)
        shown = math.nan if seconds is None else seconds
        self.exporter.gauge(own.CONTROL_DURATION, control=name).set(shown)

    def delayed(self, seconds: float) -> None:
        """Record how much later than scheduled a probe started."""
        self.exporter.histogram(own.SCHEDULE_DELAY).observe(seconds)

    def waiting(self, target: str, waiting: Waiting | None) -> None:
        """Set why the exporter is waiting for a target, or ``None`` if it isn't."""
        for series in self._of(target):
            series.set_waiting(waiting)

    def booting(self, target: str, durations: Mapping[BootPhase, float]) -> None:
        """Set how far a target's server has come in its boot."""
        for series in self._of(target):
            series.set_boot(durations)

    def everything(self, *, native: bool = False) -> Iterator[Exposed]:
        """Yield all families, including those of the process.

        :param native: whether the format supports native histograms.
        """
        self.exporter.gauge(own.PROBES_IN_FLIGHT).set(self.probes_in_flight())
        for report in self.reporters:
            report(self.exporter)
        of_library = [
            _of_library(metric, self._own_labels)
            for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR)
            for metric in collector.collect()
        ]
        size = sum(shown.size(native=native) for shown in of_library)
        for shown in exposed(TARGET_FAMILIES, self._targets.values()):
            size += shown.size(native=native)
            yield shown
        others = (family for family in EXPORTER_FAMILIES if family is not own.SERIES)
        for shown in exposed(others, (self.exporter,)):
            size += shown.size(native=native)
            yield shown
        yield from of_library
        yield self._counted(size)

    def _counted(self, others: int) -> Exposed:
        """Return the number of series, including this one."""
        block = Block(own.SERIES, self._own_labels)
        block.child(Gauge, {}).set(others + 1)
        return Exposed(own.SERIES, (block,))

    def of_target(self, target: str) -> Iterator[Exposed]:
        """Yield the families of one target alone."""
        return exposed(TARGET_FAMILIES, self._of(target))

    def _of(self, target: str) -> list[TargetSeries]:
        probes = tuple(self._targets.items())
        return [series for identity, series in probes if identity[0] == target]


def _of_library(metric: Metric, own_labels: Mapping[str, str]) -> Exposed:
    """Convert a counter or gauge of the official client library."""
    first = metric.samples[0]
    counts = metric.type == "counter"
    kind = Kind.COUNTER if counts else Kind.GAUGE
    family = Family(first.name, kind, metric.documentation, dict.fromkeys(first.labels, ANY))
    block = Block(family, own_labels)
    for sample in metric.samples:
        if counts:
            block.child(Counter, sample.labels).inc(sample.value)
        else:
            block.child(Gauge, sample.labels).set(sample.value)
    return Exposed(family, (block,))
