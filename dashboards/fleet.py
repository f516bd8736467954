"""Fleet overview: what is slow or failing now, and what it costs."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from dashboards.expressions import (
    SPEED,
    TIME_TO_FIRST_TOKEN,
    against_usual,
    quantile,
    success_ratio,
    total,
)
from dashboards.frame import (
    FLEET_TARGETS,
    SELF,
    TARGETS,
    Frame,
    Panel,
    Section,
    choose_targets,
    to_target,
)
from dashboards.panels import (
    COUNT,
    GOOD,
    RATIO,
    SECONDS,
    SLOW,
    USD,
    Column,
    Query,
    Steps,
    Text,
    number,
    over_time,
    rows,
)
from dashboards.shared import skipped_probes

BY_TARGET = "target, model, provider"
LAST_SUCCESS = f"inference_last_probe_success{{{TARGETS}}}"


def build() -> builders.Dashboard:
    """Build the overview dashboard, which is the one to start with."""
    frame = Frame(
        uid="inference-fleet",
        title="Inference / Fleet",
        description="Which targets are slow or failing now, why, and what probing them costs.",
        variables=choose_targets(),
    )
    return frame.fill(_now(), _speed(), _failures(), _objectives(), _cost())


def _now() -> Section:
    slower = against_usual(TARGETS, "time_to_first_token")
    return Section(
        "Now",
        [
            number(
                Text("Targets", "Targets and probes with a result so far."),
                COUNT,
                Query(f"count({LAST_SUCCESS} >= 0)"),
            ),
            number(
                Text("Failing", "Targets and probes whose latest probe failed."),
                COUNT,
                Query(f"count({LAST_SUCCESS} == 0) or vector(0)"),
                steps=Steps(orange=1, red=2),
            ),
            number(
                Text("Success", "Share of all probes of the last hour that succeeded."),
                RATIO,
                Query(success_ratio(TARGETS, "job", "1h")),
                steps=GOOD,
            ),
            number(
                Text(
                    "Slower than usual",
                    "Targets whose time to first token was, over 15 minutes, more than 20 % above"
                    " the median of the same hour on the last seven days.",
                ),
                COUNT,
                Query(f"count({slower} > 0.2) or vector(0)"),
                steps=Steps(orange=1, red=3),
            ),
            number(
                Text("Alerts", "Alerts of inference-exporter that are firing."),
                COUNT,
                Query('count(ALERTS{alertname=~"Inference.+",alertstate="firing"}) or vector(0)'),
                steps=Steps(orange=1, red=3),
            ),
            number(
                Text(
                    "Cost of 24 hours",
                    "Cost of probes in the last 24 hours, of targets with a known price.",
                ),
                USD,
                Query(f"sum(target:inference_cost_usd:increase1d{{{FLEET_TARGETS}}})"),
                empty="none counted",
            ),
            _table(),
        ],
    )


def _table() -> Panel:
    columns = [
        Column("state", "none", f"min by ({BY_TARGET}) ({LAST_SUCCESS})", on_off=("failing", "up")),
        Column("success 1h", RATIO, success_ratio(TARGETS, BY_TARGET, "1h"), GOOD),
        Column("TTFT p50", SECONDS, quantile(0.5, TIME_TO_FIRST_TOKEN, TARGETS, BY_TARGET, "1h")),
        Column("TTFT p95", SECONDS, quantile(0.95, TIME_TO_FIRST_TOKEN, TARGETS, BY_TARGET, "1h")),
        Column(
            "against usual",
            RATIO,
            f"max by ({BY_TARGET}) ({against_usual(TARGETS, 'time_to_first_token')})",
            SLOW,
        ),
        Column("tokens/s p50", COUNT, quantile(0.5, SPEED, TARGETS, BY_TARGET, "1h")),
        Column("USD 24h", USD, _spent("increase1d"), empty="none counted"),
        Column("USD 30d", USD, _spent("increase30d"), empty="none counted"),
    ]
    text = Text(
        "Targets",
        "One row per target, over the last hour. 'against usual' compares the time to first token"
        " of the last 15 minutes with the same hour of the last seven days. A click on a target"
        " opens its details.",
    )
    return rows(text, BY_TARGET.split(", "), columns, link=to_target())


def _spent(window: str) -> str:
    return f"sum by ({BY_TARGET}) (target:inference_cost_usd:{window}{{{FLEET_TARGETS}}})"


def _speed() -> Section:
    return Section(
        "Speed",
        [
            over_time(
                Text("Time to first token, median", "Half of the successful probes were faster."),
                SECONDS,
                Query(quantile(0.5, TIME_TO_FIRST_TOKEN, TARGETS, "target"), "{{target}}"),
            ),
            over_time(
                Text("Time to first token, p95", "One successful probe in twenty was slower."),
                SECONDS,
                Query(quantile(0.95, TIME_TO_FIRST_TOKEN, TARGETS, "target"), "{{target}}"),
            ),
            over_time(
                Text(
                    "Output tokens per second, median",
                    "After the first token, by the provider's token count.",
                ),
                COUNT,
                Query(quantile(0.5, SPEED, TARGETS, "target"), "{{target}}"),
            ),
            over_time(
                Text(
                    "Time to first token against usual",
                    "How much slower than in the same hour of the last seven days, the mean of 15"
                    " minutes. Needs three days of history.",
                ),
                RATIO,
                Query(against_usual(TARGETS, "time_to_first_token"), "{{target}} {{probe}}"),
            ),
        ],
    )


def _failures() -> Section:
    failures = total("inference_probe_failures_total", TARGETS, "reason")
    return Section(
        "Failures",
        [
            over_time(
                Text("Success", "Share of the probes that succeeded, by target."),
                RATIO,
                Query(success_ratio(TARGETS, "target"), "{{target}}"),
                width=8,
            ),
            over_time(
                Text("Failures by reason", "Failed probes, by reason."),
                COUNT,
                Query(f"{failures} > 0", "{{reason}}"),
                width=8,
                stacked=True,
                empty="no failures",
            ),
            skipped_probes(),
        ],
    )


def _objectives() -> Section:
    burn = f"target:inference_slo_burn_rate:ratio_rate1h{{{FLEET_TARGETS}}}"
    left = f"target:inference_slo_error_budget_left:ratio_rate30d{{{FLEET_TARGETS}}}"
    return Section(
        "Objectives",
        [
            over_time(
                Text(
                    "Burn rate",
                    "For the last hour. 1 spends the error budget in 30 days. Above 14.4,"
                    " an alert fires.",
                ),
                COUNT,
                Query(burn, "{{target}} {{slo}}"),
            ),
            over_time(
                Text("Error budget left", "For the last 30 days. Below 0, the SLO is missed."),
                RATIO,
                Query(left, "{{target}} {{slo}}"),
            ),
        ],
    )


def _cost() -> Section:
    return Section(
        "Cost",
        [
            over_time(
                Text("Cost", "Cost of probes, by target with a known price."),
                USD,
                Query(total("inference_cost_usd_total", TARGETS, "target"), "{{target}}"),
                stacked=True,
                empty="none counted",
            ),
            over_time(
                Text(
                    "Budget of the day",
                    "What is spent of today's budget (UTC), and its limit if there is one.",
                ),
                USD,
                Query(f"inference_budget_spent_usd{{{SELF}}}", "spent {{instance}}"),
                Query(f"inference_budget_usd_per_day{{{SELF}}} < Inf", "budget {{instance}}"),
            ),
        ],
    )
