"""The series of one target and one probe.

Most of them follow from the declarations in ``target_families``. This module handles the metrics
that need state: an exact sum, the last exported price, the models that the provider said it served.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Mapping, Sequence
from decimal import Decimal
from operator import mul

from exporter.coldness import BootPhase, Waiting
from exporter.config.labels import COMMON_LABELS
from exporter.config.plan import Plan
from exporter.metrics import kind_families, possible
from exporter.metrics import target_families as families
from exporter.metrics.behaviour import Behaviour, Remembered
from exporter.metrics.series import Series
from exporter.metrics.takes import TOKEN_TYPES
from exporter.metrics.target_families import TARGET_FAMILIES
from exporter.observation import Cost, Observation
from exporter.prices.price import Mix, Price, ServerPrice, TokenPrice
from exporter.result import Fingerprint, ProbeResult, SkipReason

MAX_SERVED_MODELS = 16
"""How many model names of one target can become label values. Without a limit, a provider that
keeps inventing names would fill Prometheus with series."""
_OTHER_MODEL = "other"
_MAX_PROVIDER_TEXT = 96  # an OpenMetrics exemplar holds 128 characters, including names
_NOT_IN_PROVIDER_TEXT = re.compile(r"[^A-Za-z0-9._:/@+-]")


class TargetSeries(Series):
    """The series of one plan."""

    def __init__(
        self, plan: Plan, mix: Mix, own_labels: Mapping[str, str], *, classic: bool = True
    ) -> None:
        labels = {**plan_labels(plan), **own_labels}
        super().__init__(TARGET_FAMILIES, labels, threading.Lock(), classic=classic)
        self._plan = plan
        self._served_model: str | None = None
        self._shown_models: set[str] = set()
        self._cost = Decimal()
        self._first_direction: tuple[float, ...] = ()
        self._shown_price: tuple[Price | None, Mix] | None = None
        self._behaviour = Behaviour()
        self.compared = 0
        """How often an answer was compared with its past."""
        self.begin(plan)
        if plan.target.watched_boot:
            self.set_boot({})
        self.apply(plan, mix)

    def apply(self, plan: Plan, mix: Mix) -> None:
        """Apply the settings of a new plan with the same labels."""
        if plan.probe != self._plan.probe:  # other texts have other answers
            self._behaviour, self._first_direction = Behaviour(), ()
        self._plan, self._mix = plan, mix
        self._set_info()
        if possible.cold(plan, ()):
            self._show_ready_limit()
        if self._shown_price != (plan.price, mix):  # otherwise a server's measured price stays
            self._shown_price = (plan.price, mix)
            self._show_price()
        self._show_objectives()

    def observe(self, observation: Observation) -> None:
        """Count one observation."""
        self.take(observation, _exemplar(observation.result))
        self._count_cost(observation.cost)
        self._note_served_model(observation.result)
        self._compare_direction(observation.result.measures.direction)
        self._compare_behaviour(observation.result.measures.fingerprint)
        self.freshen()

    @property
    def behaviour(self) -> Remembered:
        """The past that answers to fixed prompts are compared with."""
        return self._behaviour.remembered()

    @property
    def direction(self) -> tuple[float, ...]:
        """The vector that later vectors are compared with."""
        return self._first_direction

    def recall(self, behaviour: Remembered, direction: tuple[float, ...]) -> None:
        """Compare answers with the past from before a restart."""
        if not self.compared:
            self._behaviour.recall(behaviour, self._plan.probe.texts)
            self._first_direction = direction

    def skipped(self, reason: SkipReason) -> None:
        """Count a scheduled probe that wasn't sent."""
        self.counter(families.PROBES_SKIPPED, reason=reason).inc()

    def set_waiting(self, waiting: Waiting | None) -> None:
        """Set since when the model hasn't been ready.

        A target that is left idle isn't probed, so it isn't known to be unready.
        """
        since = waiting.since if waiting and not waiting.ready else math.nan
        self.gauge(families.NOT_READY_SINCE).set(since)
        self._show_ready_limit()
        if self._plan.probe.runs_model:  # a cold start can follow
            self.begin_all(families.COLD_STARTS, families.COLD_START_ATTEMPTS)

    def _show_ready_limit(self) -> None:
        self.gauge(families.NOT_READY_LIMIT).set(self._plan.target.ready_limit_seconds)

    def set_evidence(self, by_measure: Mapping[str, float]) -> None:
        """Set how strongly the latest probes show a change."""
        for measure, evidence in by_measure.items():
            self.gauge(families.EVIDENCE, measure=measure).set(evidence)

    def set_boot(self, durations: Mapping[BootPhase, float]) -> None:
        """Set how far the latest boot has come."""
        for phase in BootPhase:
            gauge = self.gauge(families.BOOT_PHASE_DURATION, phase=phase)
            gauge.set(durations.get(phase, math.nan))

    def _show_price(self) -> None:
        price = self._plan.price
        if isinstance(price, TokenPrice):
            rates = {type_: getattr(price.rates, type_) for type_ in TOKEN_TYPES}
            self.replace(families.PRICE, [({"type": t}, rate) for t, rate in rates.items()])
            self._compare(price.rates.output, self._mix.blended(price.rates))
        else:
            self.replace(families.PRICE)
            self.replace(families.USD_PER_MILLION)
        assumed = float(price.concurrency) if isinstance(price, ServerPrice) else None
        self.replace(families.ASSUMED_CONCURRENCY, [] if assumed is None else [({}, assumed)])

    def _compare(self, output: Decimal, blended: Decimal) -> None:
        """Set USD per million tokens."""
        by_mix = {"output": float(output), "blended": float(blended)}
        self.replace(families.USD_PER_MILLION, [({"mix": m}, usd) for m, usd in by_mix.items()])

    def _show_objectives(self) -> None:
        ratios, thresholds = [], []
        for objective in self._plan.objectives:
            own, seconds = {"slo": objective.name}, objective.threshold_seconds
            ratios.append((own, objective.ratio))
            if seconds is not None:
                thresholds.append((own, seconds))
            self.counter(families.SLO_PROBES, **own)
            self.counter(families.SLO_GOOD_PROBES, **own)
        self.replace(families.SLO_OBJECTIVE, ratios)
        self.replace(families.SLO_THRESHOLD, thresholds)

    def _count_cost(self, cost: Cost) -> None:
        """Add the cost to an exact sum, which is rounded only for the metric. Rounding each amount
        would accumulate errors."""
        if cost.usd is not None:
            self._cost += cost.usd
            self.counter(families.COST).grow_to(float(self._cost))
        output = cost.usd_per_million_output_tokens
        if output is not None:
            self._compare(output, output * self._mix.output_share)

    def _compare_direction(self, direction: tuple[float, ...]) -> None:
        """Compare the vector of the fixed text with its first vector."""
        if direction:
            self.compared += 1
            self._first_direction = self._first_direction or direction
            similarity = cosine(self._first_direction, direction)
            self.gauge(kind_families.EMBEDDING_SIMILARITY).set(similarity)

    def _compare_behaviour(self, seen: Fingerprint | None) -> None:
        """Compare an answer with the model's earlier ones."""
        if seen is None:
            return
        self.compared += 1
        if self._behaviour.take(seen):
            self.counter(kind_families.FINGERPRINT_CHANGES).inc()
        known = {
            kind_families.FINGERPRINT_EVIDENCE: self._behaviour.evidence,
            kind_families.FINGERPRINT_AGREEMENT: self._behaviour.agreement,
            kind_families.FINGERPRINT_DISTANCE: self._behaviour.distance,
        }
        for family, value in known.items():
            self.replace(family, [] if value is None else [({}, value)])

    def _note_served_model(self, result: ProbeResult) -> None:
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


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine similarity of two vectors, from -1 to 1.

    Return 0 if their lengths differ, because they are then from different spaces.
    """
    if len(one) != len(other):
        return 0.0
    product: float = sum(map(mul, one, other))
    return product / (math.hypot(*one) * math.hypot(*other))


def plan_labels(plan: Plan) -> dict[str, str]:
    """Return the labels that all series of a plan have."""
    target = plan.target
    values = (target.name, target.provider, target.model, plan.probe_name)
    return dict(zip(COMMON_LABELS, values, strict=True)) | target.labels


def provider_text(text: str) -> str:
    """Make a provider's text safe for a label value: limited length, plain characters only."""
    return _NOT_IN_PROVIDER_TEXT.sub("_", text)[:_MAX_PROVIDER_TEXT]


def _exemplar(result: ProbeResult) -> str | None:
    return provider_text(result.request_id) if result.request_id else None
