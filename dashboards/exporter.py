"""The exporter itself: whether its measurements are reliable, and what they cost."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from dashboards.exporter_host import cluster, process
from dashboards.expressions import WINDOW, quantile, total
from dashboards.frame import SELF, Frame, Panel, Section
from dashboards.panels import (
    COUNT,
    RATIO,
    SECONDS,
    USD,
    Query,
    Steps,
    Text,
    label,
    number,
    over_time,
)

MEASUREMENT_LAG = "inference_exporter_measurement_lag_seconds"
LOOP_LAG = "inference_exporter_event_loop_lag_seconds"
SCHEDULE_DELAY = "inference_exporter_schedule_delay_seconds"


def build() -> builders.Dashboard:
    """Build the dashboard that monitors the exporter."""
    frame = Frame(
        uid="inference-exporter",
        title="Inference / Exporter",
        description="Whether the exporter itself is healthy: uncertainty, delays, skips, spend.",
        variables=(),
    )
    return frame.fill(_now(), _trust(), _work(), _controls(), _spend(), cluster(), process())


def _now() -> Section:
    reloaded = f"inference_exporter_config_last_reload_success_timestamp_seconds{{{SELF}}}"
    return Section(
        "Now",
        [
            label(
                Text("Version", "Of the exporter."),
                Query(f"inference_exporter_build_info{{{SELF}}}", "{{version}} on {{python}}"),
            ),
            number(
                Text("Configuration", "Whether the latest configuration change was loaded."),
                "bool_yes_no",
                Query(f"min(inference_exporter_config_last_reload_successful{{{SELF}}})"),
                steps=Steps(orange=1, red=0.5),
            ),
            number(
                Text("Configuration active for", "Time since the configuration was loaded."),
                SECONDS,
                Query(f"time() - {reloaded}", "{{instance}}"),
            ),
            number(
                Text(
                    "Uncertainty, p99",
                    "How late the exporter reads one in a hundred packets, last hour.",
                ),
                SECONDS,
                Query(quantile(0.99, MEASUREMENT_LAG, SELF, "job", "1h")),
                steps=Steps(orange=0.003, red=0.01),
            ),
            number(
                Text("Probes in flight", "Probes that are running."),
                COUNT,
                Query(f"sum(inference_exporter_probes_in_flight{{{SELF}}})"),
            ),
            number(
                Text("Probes of an hour", "Completed probes in the last hour."),
                COUNT,
                Query(total("inference_probes_total", SELF, "job", "1h")),
            ),
        ],
    )


def _p99(histogram: str) -> tuple[Query, Query]:
    return (
        Query(quantile(0.5, histogram, SELF, "instance"), "p50 {{instance}}"),
        Query(quantile(0.99, histogram, SELF, "instance"), "p99 {{instance}}"),
    )


def _trust() -> Section:
    return Section(
        "Can the numbers be trusted?",
        [
            over_time(
                Text(
                    "Measurement lag",
                    "The longest time that received data waited for the exporter: the"
                    " uncertainty of a result.",
                ),
                SECONDS,
                *_p99(MEASUREMENT_LAG),
                width=6,
                log=True,
            ),
            over_time(
                Text("Event loop lag", "How much later than requested the probing loop woke up."),
                SECONDS,
                *_p99(LOOP_LAG),
                width=6,
                log=True,
            ),
            over_time(
                Text("Schedule delay", "How much later than scheduled probes started."),
                SECONDS,
                *_p99(SCHEDULE_DELAY),
                width=6,
                log=True,
            ),
            _uncertain(),
        ],
    )


def _uncertain() -> Panel:
    uncertain = total("inference_probes_uncertain_total", SELF, "target")
    return over_time(
        Text(
            "Uncertain results",
            "Successful probes whose times are left out, because the exporter read them too late.",
        ),
        COUNT,
        Query(uncertain, "{{target}}"),
        width=6,
        stacked=True,
        empty="none",
    )


def _work() -> Section:
    probes = f"sum by (instance) (rate(inference_probes_total{{{SELF}}}[{WINDOW}]))"
    flight = f"inference_exporter_probes_in_flight{{{SELF}}}"
    return Section(
        "Work",
        [
            over_time(
                Text("Probes per second", "Completed probes."),
                "ops",
                Query(probes, "{{instance}}"),
                width=8,
            ),
            over_time(
                Text("Probes in flight", "Probes that run at the moment of the scrape."),
                COUNT,
                Query(flight, "{{instance}}"),
                width=8,
            ),
            over_time(
                Text("Skipped probes", "Probes that were due but not sent, and why."),
                COUNT,
                Query(total("inference_probes_skipped_total", SELF, "reason"), "{{reason}}"),
                width=8,
                stacked=True,
            ),
        ],
    )


def _controls() -> Section:
    reached = f"inference_exporter_control_last_success{{{SELF}}}"
    seconds = f"inference_exporter_control_last_duration_seconds{{{SELF}}}"
    none = "no controls"
    return Section(
        "Its own network",
        [
            number(
                Text("Control reached", "Whether pages that are almost always up respond."),
                "bool_yes_no",
                Query(f"min by (control) ({reached})", "{{control}}"),
                steps=Steps(orange=1, red=0.5),
                empty=none,
            ),
            over_time(
                Text("Time to reach a control", "From the DNS lookup to the response."),
                SECONDS,
                Query(f"max by (control) ({seconds})", "{{control}}"),
                width=8,
                empty=none,
            ),
            over_time(
                Text("Requests to controls", "Requests by outcome."),
                COUNT,
                Query(
                    total("inference_exporter_control_probes_total", SELF, "control, outcome"),
                    "{{control}} {{outcome}}",
                ),
                width=8,
                stacked=True,
                empty=none,
            ),
        ],
    )


def _spend() -> Section:
    spent = f"inference_budget_spent_usd{{{SELF}}}"
    return Section(
        "Spend",
        [
            over_time(
                Text("Budget of the day", "Spent today (UTC), and the limit if there is one."),
                USD,
                Query(spent, "spent {{instance}}"),
                Query(f"inference_budget_usd_per_day{{{SELF}}} < Inf", "budget {{instance}}"),
                width=8,
            ),
            over_time(
                Text(
                    "Budgets",
                    "Share of the budget for all targets, and of each target's own, that is spent.",
                ),
                RATIO,
                Query(f"instance:inference_budget_spent:ratio{{{SELF}}}", "all, {{instance}}"),
                Query(f"target:inference_budget_spent:ratio{{{SELF}}}", "{{target}}"),
                width=8,
            ),
            number(
                Text(
                    "Spend kept",
                    "Whether the day's spend survives a restart: the state file could be written.",
                ),
                "bool_yes_no",
                Query(f"inference_budget_state_saved{{{SELF}}} >= 0", "{{instance}}"),
                steps=Steps(orange=1, red=0.5),
            ),
            number(
                Text(
                    "Price mix",
                    "Input tokens for each output token in blended prices.",
                ),
                COUNT,
                Query(f"inference_price_mix_input_tokens{{{SELF}}}", "{{instance}}"),
            ),
        ],
    )
