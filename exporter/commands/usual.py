"""A target's usual values, as objectives for the gate.

The history comes from Prometheus, so a pipeline needs no file from an earlier run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from exporter.config.plan import Plan
from exporter.config.slo import Objective, Probed, Seconds, request_duration, time_to_first_token
from exporter.prometheus.client import HistoryError, Prometheus, matching
from exporter.settings.units import format_duration

TIMES_USUAL = 1.25
"""A target is slower than usual if its median is this many times the usual median."""
LEAST_PROBES = 20
"""The least number of past probes that establish what is usual."""
_STEP_SECONDS = 60


def _seconds_per_token(result: Probed) -> float | None:
    speed = result.output_tokens_per_second
    return 1 / speed if speed else None


_MEASURES: Mapping[str, Seconds] = {
    "time_to_first_token": time_to_first_token,
    "time_per_output_token": _seconds_per_token,
    "request_duration": request_duration,
}


@dataclass(frozen=True, slots=True)
class Past:
    """The past probes in a Prometheus server."""

    prometheus: Prometheus
    since_seconds: float

    def objectives(self, plan: Plan) -> tuple[Objective, ...]:
        """An objective for each measure of the plan: at least half of the probes take no longer
        than ``TIMES_USUAL`` times the median of the past. If several exporters probe the target,
        the slowest one counts.

        :raises HistoryError: Prometheus doesn't respond, or has too few probes.
        """
        own = matching(target=plan.target.name, probe=plan.probe_name)
        self._check_enough(plan)
        return tuple(self._objectives(own))

    def _objectives(self, own: str) -> Iterator[Objective]:
        for name, measure in _MEASURES.items():
            times = f"(inference_last_probe_{name}_seconds{own} > 0)"
            span = f"{self._span}:{_STEP_SECONDS}s"
            median = self._largest(f"quantile_over_time(0.5, {times}[{span}])")
            if median:
                yield Objective(f"usual_{name}", 0.5, TIMES_USUAL * median, measure)

    def _check_enough(self, plan: Plan) -> None:
        target, probe = plan.target.name, plan.probe_name
        successes = matching(target=target, probe=probe, outcome="success")
        seen = round(self._largest(f"increase(inference_probes_total{successes}[{self._span}])"))
        if seen < LEAST_PROBES:
            raise HistoryError(
                f"{target}/{probe}: Prometheus at {self.prometheus.name} saw {seen} successful"
                f" probes in the last {format_duration(self.since_seconds)}, and it takes"
                f" {LEAST_PROBES} to say what is usual; choose a longer --since, or leave out"
                " --fail-on usual"
            )

    @property
    def _span(self) -> str:
        return f"{round(self.since_seconds)}s"

    def _largest(self, query: str) -> float:
        """The largest value of a query; 0 if it returns none."""
        found = self.prometheus.instant(query, time.time())
        return max((value for _, value in found if value == value), default=0.0)
