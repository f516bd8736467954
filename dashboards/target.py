"""Target detail: every measure of one target."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from dashboards.expressions import (
    WINDOW,
    against_usual,
    success_ratio,
    total,
)
from dashboards.frame import FLEET_TARGETS, TARGETS, Frame, Section, choose_one_target, mark
from dashboards.panels import (
    COUNT,
    GOOD,
    RATIO,
    SECONDS,
    SLOW,
    USD,
    Query,
    Steps,
    Text,
    label,
    number,
    over_time,
)
from dashboards.shared import confirming_probes, evidence_of_change, skipped_probes
from dashboards.target_kinds import behaviour, model_list, prompt_cache, tool_calls, vectors
from dashboards.target_server import server
from dashboards.target_times import first_token, last, network, stream

DAY_SECONDS = 86_400


def build() -> builders.Dashboard:
    """Build the dashboard for investigating one target."""
    frame = Frame(
        uid="inference-target",
        title="Inference / Target",
        description="Every measure of one target: where its time goes, what fails, what changed.",
        variables=choose_one_target(),
    )
    built = frame.fill(
        _now(),
        first_token(),
        stream(),
        behaviour(),
        prompt_cache(),
        tool_calls(),
        vectors(),
        model_list(),
        network(),
        server(),
        _failures(),
        _limits(),
        _money(),
    )
    changes = f"increase(inference_served_model_changes_total{{{TARGETS}}}[{WINDOW}]) > 0"
    behaves = f"increase(inference_fingerprint_changes_total{{{TARGETS}}}[{WINDOW}]) > 0"
    return built.annotation(mark("Served model changed", changes, "purple")).annotation(
        mark("Behaviour changed", behaves, "orange")
    )


def _now() -> Section:
    expiry = f"inference_tls_certificate_expiry_timestamp_seconds{{{TARGETS}}}"
    # The Prometheus operator sets the label endpoint itself, and renames the exporter's.
    info = (
        f"label_replace(inference_target_info{{{TARGETS}}},"
        ' "endpoint", "$1", "exported_endpoint", "(.+)")'
    )
    served = f'inference_target_info{{{TARGETS},served_model!=""}}'
    left = f"target:inference_slo_error_budget_left:ratio_rate30d{{{FLEET_TARGETS}}}"
    return Section(
        "Now",
        [
            number(
                Text("Success", "Share of the probes of the last hour that succeeded."),
                RATIO,
                Query(success_ratio(TARGETS, "target", "1h")),
                steps=GOOD,
            ),
            number(
                Text("Time to first token", "For the latest successful probe."),
                SECONDS,
                Query(f"{last('time_to_first_token_seconds')} > 0", "{{probe}}"),
            ),
            number(
                Text(
                    "Against usual",
                    "Time to first token of 15 minutes against the same hour of seven days.",
                ),
                RATIO,
                Query(against_usual(TARGETS, "time_to_first_token"), "{{probe}}"),
                steps=SLOW,
            ),
            number(
                Text(
                    "Tokens per second", "For the latest successful probe, after its first token."
                ),
                COUNT,
                Query(f"{last('output_tokens_per_second')} > 0", "{{probe}}"),
            ),
            number(
                Text("Error budget left", "For the last 30 days, by SLO."),
                RATIO,
                Query(left, "{{slo}}"),
                steps=Steps(orange=0.5, red=0.1),
            ),
            number(
                Text("Certificate", "Time until the server's TLS certificate expires."),
                SECONDS,
                Query(f"min({expiry}) - time()", "{{target}}"),
                empty="no TLS",
                steps=Steps(orange=30 * DAY_SECONDS, red=14 * DAY_SECONDS),
            ),
            label(
                Text("Served model", "The model that the provider names in its answers."),
                Query(f"max by (served_model) ({served})", "{{served_model}}"),
                width=12,
            ),
            label(
                Text("Endpoint", "Endpoint of the target, and its region if it has one."),
                Query(f"max by (endpoint, region) ({info})", "{{endpoint}} {{region}}"),
                width=12,
            ),
        ],
    )


def _failures() -> Section:
    failures = total("inference_probe_failures_total", TARGETS, "reason")
    return Section(
        "Failures",
        [
            over_time(
                Text("Outcomes", "Completed probes, by outcome."),
                COUNT,
                Query(
                    total("inference_probes_total", TARGETS, "outcome"),
                    "{{outcome}}",
                    exemplars=True,
                ),
                width=8,
                stacked=True,
            ),
            over_time(
                Text("Failures by reason", "Why probes failed."),
                COUNT,
                Query(f"{failures} > 0", "{{reason}}"),
                width=8,
                stacked=True,
                empty="no failures",
            ),
            skipped_probes(),
            evidence_of_change(),
            confirming_probes(),
        ],
    )


def _limits() -> Section:
    remaining = f"inference_rate_limit_remaining{{{TARGETS}}}"
    limit = f"inference_rate_limit_limit{{{TARGETS}}}"
    burn = f"target:inference_slo_burn_rate:ratio_rate1h{{{FLEET_TARGETS}}}"
    objective = f"target:inference_slo_objective:ratio{{{FLEET_TARGETS}}}"
    threshold = f"inference_slo_threshold_seconds{{{TARGETS}}}"
    return Section(
        "Limits and objectives",
        [
            over_time(
                Text(
                    "Rate limit left",
                    "Share of the rate limit that is left, as the provider reports it.",
                ),
                RATIO,
                Query(f"{remaining} / {limit}", "{{resource}} {{probe}}"),
                width=8,
            ),
            over_time(
                Text("Burn rate", "For the last hour. 1 spends the error budget in 30 days."),
                COUNT,
                Query(burn, "{{slo}}"),
                width=8,
            ),
            number(
                Text("Objective", "Share of probes that each SLO requires."),
                RATIO,
                Query(objective, "{{slo}}"),
            ),
            number(
                Text("Latency allowed", "The latency below which a probe is good."),
                SECONDS,
                Query(threshold, "{{slo}}"),
            ),
        ],
    )


def _money() -> Section:
    price = f"inference_price_usd_per_million_tokens{{{TARGETS}}}"
    return Section(
        "Tokens and cost",
        [
            over_time(
                Text("Tokens", "Tokens of the probes by type; reasoning is a part of output."),
                COUNT,
                Query(total("inference_tokens_total", TARGETS, "type"), "{{type}}"),
                width=7,
            ),
            over_time(
                Text("Cost", "Cost of this target's probes."),
                USD,
                Query(total("inference_cost_usd_total", TARGETS, "probe"), "{{probe}}"),
                width=6,
                stacked=True,
                empty="none counted",
            ),
            over_time(
                Text("USD per million tokens", "Output alone, and blended."),
                USD,
                Query(
                    f"target:inference_usd_per_million_tokens:avg1h{{{FLEET_TARGETS}}}", "{{mix}}"
                ),
                Query(f"max by (type) ({price})", "price of {{type}}"),
                width=7,
                empty="price unknown",
            ),
            number(
                Text(
                    "Assumed concurrency",
                    "For a server with an hourly price: the streams that it is assumed to"
                    " serve at once.",
                ),
                COUNT,
                Query(f"inference_price_assumed_concurrency{{{TARGETS}}}", "{{probe}}"),
                empty="priced by token",
            ),
        ],
    )
