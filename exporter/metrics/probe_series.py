"""How a ``ProbeResult`` becomes series.

Each target and probe has series of its own. So targets may carry different labels, the series of
a removed target go with it, and ``/probe`` can show one target alone.

Results are observed in the probing thread, which also renders what they change; the web thread
puts the renderings together.
"""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, Metric

from exporter import __version__
from exporter.config.plan import Plan
from exporter.config.slo import Objective
from exporter.metrics import cold_series, families
from exporter.metrics.families import COMMON_LABELS, PROBE_FAMILIES, SELF_FAMILIES, Family, Kind
from exporter.metrics.series import Block, Counter, Exposed, Gauge, Series, exposed
from exporter.observation import Cost, Observation
from exporter.prices.price import (
    DEFAULT_MIX,
    Mix,
    Price,
    ServerPrice,
    TokenPrice,
)
from exporter.result import BootPhase, FailureReason, ProbeResult, SkipReason, Waiting

PlanKey = tuple[str, str]
Measure = Callable[[ProbeResult], float | None]

_HISTOGRAMS: tuple[tuple[Family, Measure], ...] = (
    (families.TIME_TO_FIRST_TOKEN, lambda r: r.time_to_first_token_seconds),
    (families.TIME_TO_FIRST_ANSWER_TOKEN, lambda r: r.time_to_first_answer_token_seconds),
    (families.TIME_PER_OUTPUT_TOKEN, lambda r: r.time_per_output_token_seconds),
    (families.REQUEST_DURATION, lambda r: r.request_duration_seconds),
    (families.OUTPUT_TOKENS_PER_SECOND, lambda r: r.output_tokens_per_second),
)
_LAST_GAUGES: tuple[tuple[Family, Measure], ...] = (
    (families.LAST_TIME_TO_FIRST_TOKEN, lambda r: r.time_to_first_token_seconds),
    (families.LAST_TIME_PER_OUTPUT_TOKEN, lambda r: r.time_per_output_token_seconds),
    (families.LAST_REQUEST_DURATION, lambda r: r.request_duration_seconds),
    (families.LAST_OUTPUT_TOKENS_PER_SECOND, lambda r: r.output_tokens_per_second),
    (families.LAST_MAX_STALL, lambda r: r.max_stall_seconds),
)
_PHASES = ("dns", "tcp", "tls")
_OUTCOMES = ("success", "failure")
_TOKEN_TYPES = ("input", "cached_input", "cache_write", "output", "reasoning")

MAX_SERVED_MODELS = 16
"""Names of one target that become a label value; a provider that has ever new ones would fill
Prometheus with series."""
_OTHER_MODEL = "other"
_MAX_PROVIDER_TEXT = 96  # an OpenMetrics exemplar holds 128 characters, names included
_NOT_IN_PROVIDER_TEXT = re.compile(r"[^A-Za-z0-9._:/@+-]")


class ProbeSeries(Series):
    """What is exported about one target and one probe."""

    def __init__(self, plan: Plan, mix: Mix) -> None:
        super().__init__(PROBE_FAMILIES, plan_labels(plan))
        self._plan = plan
        self._served_model: str | None = None
        self._cost = Decimal()
        self._shown_models: set[str] = set()
        self._shown_price: tuple[Price | None, Mix] | None = None
        self._create_zeroes()
        self.apply(plan, mix)

    def _create_zeroes(self) -> None:
        """All that can be known in advance exists from the start, so that the first failure is
        an increase that ``rate()`` can see."""
        for family, _ in _HISTOGRAMS:
            self.histogram(family)
        self.histogram(families.INTER_CHUNK_LATENCY)
        for phase in _PHASES:
            self.histogram(families.CONNECTION_PHASE_DURATION, phase=phase)
        for outcome in _OUTCOMES:
            self.counter(families.PROBES, outcome=outcome)
        for reason in FailureReason:
            self.counter(families.PROBE_FAILURES, reason=reason)
        for skip in SkipReason:
            self.counter(families.PROBES_SKIPPED, reason=skip)
        for type_ in _TOKEN_TYPES:
            self.counter(families.TOKENS, type=type_)
        self.counter(families.PROBES_UNCERTAIN)
        self.counter(families.COST)
        self.counter(families.SERVED_MODEL_CHANGES)
        cold_series.create_zeroes(self, self._plan)
        for family in (families.LAST_SUCCESS, families.LAST_TIMESTAMP):
            self.gauge(family).set(math.nan)
        for family, _ in _LAST_GAUGES:
            self.gauge(family).set(math.nan)

    def apply(self, plan: Plan, mix: Mix) -> None:
        """Take over what a plan with the same labels says anew."""
        self._plan, self._mix = plan, mix
        self._set_info()
        cold_series.apply(self, plan)
        if self._shown_price != (plan.price, mix):  # else a server's measured price stays
            self._shown_price = (plan.price, mix)
            self._show_price()
        self._show_objectives()

    def _show_price(self) -> None:
        price = self._plan.price
        if isinstance(price, TokenPrice):
            rates = {type_: getattr(price.rates, type_) for type_ in _TOKEN_TYPES}
            self.replace(families.PRICE, [({"type": t}, rate) for t, rate in rates.items()])
            self._compare(price.rates.output, self._mix.blended(price.rates))
        else:
            self.replace(families.PRICE)
            self.replace(families.USD_PER_MILLION)
        assumed = float(price.concurrency) if isinstance(price, ServerPrice) else None
        self.replace(families.ASSUMED_CONCURRENCY, [] if assumed is None else [({}, assumed)])

    def _compare(self, output: Decimal, blended: Decimal) -> None:
        """Show USD per million tokens."""
        by_mix = {"output": float(output), "blended": float(blended)}
        self.replace(families.USD_PER_MILLION, [({"mix": m}, usd) for m, usd in by_mix.items()])

    def _show_objectives(self) -> None:
        ratios, thresholds = [], []
        for objective in self._objectives():
            slo, seconds = {"slo": objective.name}, objective.threshold_seconds
            ratios.append((slo, objective.ratio))
            if seconds is not None:
                thresholds.append((slo, seconds))
            self.counter(families.SLO_PROBES, **slo)
            self.counter(families.SLO_GOOD_PROBES, **slo)
        self.replace(families.SLO_OBJECTIVE, ratios)
        self.replace(families.SLO_THRESHOLD, thresholds)

    def _objectives(self) -> Iterable[Objective]:
        slo = self._plan.target.slo
        return slo.objectives() if slo else ()

    def observe(self, observation: Observation) -> None:
        """Count one result. Of one that was interrupted nothing is known but what it cost."""
        result = observation.result
        self._count_tokens(result)
        self._count_cost(observation.cost)
        if result.interrupted:
            self.counter(families.PROBES_UNCERTAIN).inc()
        else:
            self._count_outcome(observation)
        self.freshen()

    def _count_outcome(self, observation: Observation) -> None:
        result = observation.result
        exemplar = _exemplar(result)
        outcome = "success" if result.success else "failure"
        self.counter(families.PROBES, outcome=outcome).inc(exemplar=exemplar)
        if result.failure:
            reason = result.failure.reason
            self.counter(families.PROBE_FAILURES, reason=reason).inc(exemplar=exemplar)
        elif observation.cold:
            self._observe_connection(result)
        elif observation.certain:
            self._observe_times(result, exemplar)
        else:
            self.counter(families.PROBES_UNCERTAIN).inc(exemplar=exemplar)
        if cold := observation.cold:
            cold_series.observe(self, cold, success=result.success, exemplar=exemplar)
        self._set_last(observation)
        self._judge(observation)
        self._note_provider(result)

    def skipped(self, reason: SkipReason) -> None:
        """Count a scheduled probe that was not sent."""
        self.counter(families.PROBES_SKIPPED, reason=reason).inc()

    def _observe_times(self, result: ProbeResult, exemplar: str | None) -> None:
        for family, measure in _HISTOGRAMS:
            value = measure(result)
            if value is not None:
                self.histogram(family).observe(value, exemplar)
        gaps = self.histogram(families.INTER_CHUNK_LATENCY)
        for gap in result.inter_chunk_latencies_seconds:
            gaps.observe(gap)
        self._observe_connection(result)

    def _observe_connection(self, result: ProbeResult) -> None:
        if result.connection:
            for phase in _PHASES:
                seconds = getattr(result.connection, f"{phase}_seconds")
                if seconds is not None:
                    family = families.CONNECTION_PHASE_DURATION
                    self.histogram(family, phase=phase).observe(seconds)

    def _set_last(self, observation: Observation) -> None:
        result = observation.result
        self.gauge(families.LAST_SUCCESS).set(result.success)
        self.gauge(families.LAST_TIMESTAMP).set(result.finished_at)
        if result.success and observation.cold:
            return  # the times of the warm model stay what they were
        usable = result.success and observation.certain
        for family, measure in _LAST_GAUGES:
            value = measure(result) if usable else None
            self.gauge(family).set(math.nan if value is None else value)

    def _count_tokens(self, result: ProbeResult) -> None:
        if result.usage:
            for type_ in _TOKEN_TYPES:
                self.counter(families.TOKENS, type=type_).inc(max(0, getattr(result.usage, type_)))

    def _count_cost(self, cost: Cost) -> None:
        """The sum is kept exact, and rounded to be shown: a sum of rounded amounts would be
        another."""
        if cost.usd is not None:
            self._cost += cost.usd
            self.counter(families.COST).grow_to(float(self._cost))
        output = cost.usd_per_million_output_tokens
        if output is not None:
            self._compare(output, output * self._mix.output_share)

    def _judge(self, observation: Observation) -> None:
        warm_and_certain = observation.certain and observation.cold is None
        for objective in self._objectives():
            good = objective.met_by(observation.result, usable=warm_and_certain)
            if good is not None:
                self.counter(families.SLO_PROBES, slo=objective.name).inc()
                self.counter(families.SLO_GOOD_PROBES, slo=objective.name).inc(good)

    def _note_provider(self, result: ProbeResult) -> None:
        for limit in result.rate_limits:
            if limit.remaining is not None:
                remaining = self.gauge(families.RATE_LIMIT_REMAINING, resource=limit.resource)
                remaining.set(limit.remaining)
            if limit.limit is not None:
                self.gauge(families.RATE_LIMIT_LIMIT, resource=limit.resource).set(limit.limit)
        if result.certificate_expires_at is not None:
            self.gauge(families.CERTIFICATE_EXPIRY).set(result.certificate_expires_at)
        served = provider_text(result.served_model) if result.served_model else None
        if served and served != self._served_model:
            if self._served_model:
                self.counter(families.SERVED_MODEL_CHANGES).inc()
            self._served_model = served
            self._set_info()

    def _shown_model(self) -> str:
        served = self._served_model
        if served and len(self._shown_models) < MAX_SERVED_MODELS:
            self._shown_models.add(served)
        return served if served in self._shown_models else _OTHER_MODEL if served else ""

    def _set_info(self) -> None:
        target = self._plan.target
        info = {
            "endpoint": target.endpoint,
            "region": target.region or "",
            "served_model": self._shown_model(),
        }
        self.replace(families.TARGET_INFO, [(info, 1)])


class ExporterSeries(Series):
    """What is exported about the exporter itself."""

    def __init__(self) -> None:
        super().__init__(SELF_FAMILIES, {})
        python = platform.python_version()
        self.gauge(families.BUILD_INFO, version=__version__, python=python).set(1)


class Metrics:
    """All series of the process."""

    def __init__(self) -> None:
        self.exporter = ExporterSeries()
        self.probes_in_flight: Callable[[], int] = lambda: 0
        """Asked at every scrape."""
        self.reporters: list[Callable[[Series], None]] = []
        """Asked at every scrape, too, to set what only they know."""
        self._probes: dict[PlanKey, ProbeSeries] = {}

    def apply(self, plans: Iterable[Plan], mix: Mix = DEFAULT_MIX) -> None:
        """Have series for exactly these plans. Series whose labels stay keep their values."""
        self.exporter.gauge(families.PRICE_MIX).set(float(mix.input / mix.output))
        kept: dict[PlanKey, ProbeSeries] = {}
        for plan in plans:
            series = self._probes.get(plan.key)
            if series and series.labels == plan_labels(plan):
                series.apply(plan, mix)
            else:
                series = ProbeSeries(plan, mix)
            kept[plan.key] = series
        self._probes = kept

    def observe(self, observation: Observation) -> None:
        """Count a result; one of a target that has gone meanwhile is passed over."""
        result = observation.result
        if series := self._probes.get(observation.plan.key):
            series.observe(observation)
        if result.lag_seconds is not None:
            self.exporter.histogram(families.MEASUREMENT_LAG).observe(result.lag_seconds)

    def skipped(self, key: PlanKey, reason: SkipReason) -> None:
        """Count a scheduled probe that was not sent."""
        if series := self._probes.get(key):
            series.skipped(reason)

    def delayed(self, seconds: float) -> None:
        """Take over how much later than scheduled a probe was started."""
        self.exporter.histogram(families.SCHEDULE_DELAY).observe(seconds)

    def waiting(self, target: str, waiting: Waiting | None) -> None:
        """Take over what a target is being waited for."""
        for series in self._of(target):
            cold_series.set_waiting(series, waiting)

    def booting(self, target: str, durations: Mapping[BootPhase, float]) -> None:
        """Take over how far a target's server has come in its boot."""
        for series in self._of(target):
            cold_series.set_boot(series, durations)

    def everything(self) -> Iterator[Exposed]:
        """All families, those of the process included, one after the other."""
        self.exporter.gauge(families.PROBES_IN_FLIGHT).set(self.probes_in_flight())
        for report in self.reporters:
            report(self.exporter)
        yield from exposed(PROBE_FAMILIES, self._probes.values())
        yield from exposed(SELF_FAMILIES, (self.exporter,))
        for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
            yield from map(_of_library, collector.collect())

    def of_target(self, target: str) -> Iterator[Exposed]:
        """The families of one target alone."""
        return exposed(PROBE_FAMILIES, self._of(target))

    def _of(self, target: str) -> list[ProbeSeries]:
        probes = tuple(self._probes.items())
        return [series for key, series in probes if key[0] == target]


def _of_library(metric: Metric) -> Exposed:
    """A counter or gauge of the official client library."""
    first = metric.samples[0]
    counts = metric.type == "counter"
    family = Family(
        first.name, Kind.COUNTER if counts else Kind.GAUGE, metric.documentation, (*first.labels,)
    )
    block = Block(family, {})
    for sample in metric.samples:
        if counts:
            block.child(Counter, sample.labels).inc(sample.value)
        else:
            block.child(Gauge, sample.labels).set(sample.value)
    return Exposed(family, (block,))


def plan_labels(plan: Plan) -> dict[str, str]:
    """The labels that all series of a plan have."""
    target = plan.target
    values = (target.name, target.provider, target.model, plan.probe_name)
    return dict(zip(COMMON_LABELS, values, strict=True)) | target.labels


def provider_text(text: str) -> str:
    """A provider's word made safe to stand in a label: bounded, plain characters only."""
    return _NOT_IN_PROVIDER_TEXT.sub("_", text)[:_MAX_PROVIDER_TEXT]


def _exemplar(result: ProbeResult) -> str | None:
    return provider_text(result.request_id) if result.request_id else None
