"""Cold starts and boots: how long users wait for a model that isn't ready."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from dashboards.expressions import TIME_TO_FIRST_TOKEN, observed, quantile, total
from dashboards.frame import TARGETS, Frame, Section, choose_targets
from dashboards.panels import COUNT, SECONDS, Column, Query, Steps, Text, number, over_time, rows

DURATION = "inference_cold_start_duration_seconds"
PENALTY = "inference_cold_start_penalty_seconds"
RANGE = "$__range"


def build() -> builders.Dashboard:
    """Build the dashboard, with a section for each of the three meanings of cold."""
    frame = Frame(
        uid="inference-cold",
        title="Inference / Cold starts and boots",
        description="Models after idle time, servers that boot, and new connections.",
        variables=choose_targets(),
        time_from="now-7d",
    )
    return frame.fill(_starts(), _boots())


def _count(counter: str, by: str) -> str:
    return f"round({total(counter, TARGETS, by, RANGE)})"


def _starts() -> Section:
    by = "target, model"
    columns = [
        Column("cold starts", COUNT, f"round({observed(DURATION, TARGETS, by, RANGE)})"),
        Column("cold p50", SECONDS, quantile(0.5, DURATION, TARGETS, by, RANGE)),
        Column("cold p95", SECONDS, quantile(0.95, DURATION, TARGETS, by, RANGE)),
        Column("warm TTFT p50", SECONDS, quantile(0.5, TIME_TO_FIRST_TOKEN, TARGETS, by, RANGE)),
        Column("penalty p50", SECONDS, quantile(0.5, PENALTY, TARGETS, by, RANGE)),
        Column(
            "requests",
            COUNT,
            _count("inference_cold_start_attempts_total", by),
        ),
    ]
    signals = total("inference_cold_starts_total", TARGETS, "signal")
    return Section(
        "After idle time",
        [
            rows(
                Text(
                    "Cold starts",
                    "Over the whole time range. The penalty is how much longer a cold start"
                    " takes than a warm request. Requests counts the attempts.",
                ),
                by.split(", "),
                columns,
                height=7,
            ),
            over_time(
                Text("Cold start", "From the first attempt to the first token, median."),
                SECONDS,
                Query(quantile(0.5, DURATION, TARGETS, "target"), "{{target}}"),
                width=8,
                dots=True,
            ),
            over_time(
                Text("Penalty", "How much longer than a warm request, median."),
                SECONDS,
                Query(quantile(0.5, PENALTY, TARGETS, "target"), "{{target}}"),
                width=8,
                dots=True,
            ),
            over_time(
                Text(
                    "Signals",
                    "How models showed that they were cold; none: they were warm after all.",
                ),
                COUNT,
                Query(signals, "{{signal}}"),
                width=8,
                stacked=True,
            ),
        ],
    )


def _boots() -> Section:
    phases = f"inference_boot_phase_duration_seconds{{{TARGETS}}}"
    since = f"inference_not_ready_since_timestamp_seconds{{{TARGETS}}}"
    limit = f"inference_not_ready_limit_seconds{{{TARGETS}}}"
    return Section(
        "Boots of a server",
        [
            over_time(
                Text(
                    "Phases of the latest boot",
                    "From the first refused connection to the end of each phase.",
                ),
                SECONDS,
                Query(phases, "{{target}} {{phase}}"),
                empty="no server has booted",
                width=16,
            ),
            number(
                Text("Not ready", "How long models have not been ready. Empty if all are ready."),
                SECONDS,
                Query(f"max(time() - {since} >= 0) or vector(0)"),
                steps=Steps(orange=60, red=600),
            ),
            number(
                Text("Limit", "How long a model can be not ready before an alert."),
                SECONDS,
                Query(limit, "{{target}}"),
            ),
        ],
    )
