"""Locations: the same targets measured from several of them."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from dashboards.expressions import TIME_TO_FIRST_TOKEN, quantile, success_ratio
from dashboards.frame import SELF, TARGETS, Frame, Panel, Section, choose_targets, variable
from dashboards.panels import (
    COUNT,
    GOOD,
    RATIO,
    SECONDS,
    SLOW,
    Column,
    Query,
    Text,
    number,
    over_time,
    rows,
)

HERE = f'{TARGETS},location=~"$location"'
PAIR = "target, location"
LAST_SUCCESS = f"inference_last_probe_success{{{HERE}}}"
CONNECTION = "inference_connection_phase_duration_seconds"
_MEASURE = 'measure="time_to_first_token"'
DEVIATION = f"target:inference_latency:deviation_15m{{{HERE},{_MEASURE}}}"


def build() -> builders.Dashboard:
    """Build the dashboard: which side is at fault, and the latency from each location."""
    places = f"label_values(inference_probes_total{{{SELF}}}, location)"
    frame = Frame(
        uid="inference-places",
        title="Inference / Places",
        description="Is the provider slow, or the network from one place? Needs `location`.",
        variables=(*choose_targets(), variable("location", "Location", places)),
    )
    return frame.fill(_now(), _by_target(), _by_place())


def _everywhere(expression: str, of: str) -> str:
    """Repeat a value of a target or of a location for each pair of target and location."""
    pairs = f"count by ({PAIR}) ({LAST_SUCCESS})"
    return f"max by ({PAIR}) (({expression}) * on ({of}) group_right () ({pairs} > bool 0))"


def _now() -> Section:
    return Section(
        "Where is the problem?",
        [
            number(
                Text("Places", "Number of places that measured something."),
                COUNT,
                Query(f"count(count by (location) ({LAST_SUCCESS}))"),
                width=8,
            ),
            number(
                Text(
                    "Failing from everywhere",
                    "Targets whose latest probe failed from every place: a problem of the"
                    " provider.",
                ),
                COUNT,
                Query(f"count(max by (target, probe) ({LAST_SUCCESS}) == 0) or vector(0)"),
                width=8,
            ),
            number(
                Text(
                    "Failing from some places",
                    "Targets whose latest probe failed from one place and succeeded from another.",
                ),
                COUNT,
                Query(
                    f"count(max by (target, probe) ({LAST_SUCCESS}) == 1"
                    f" and min by (target, probe) ({LAST_SUCCESS}) == 0) or vector(0)"
                ),
                width=8,
            ),
            _table(),
        ],
    )


def _table() -> Panel:
    of_target = f"exp(quantile by (target) (0.5, {DEVIATION})) - 1"
    of_place = f"exp(quantile by (location) (0.5, {DEVIATION})) - 1"
    columns = [
        Column("state", "none", f"min by ({PAIR}) ({LAST_SUCCESS})", on_off=("failing", "up")),
        Column("success 1h", RATIO, success_ratio(HERE, PAIR, "1h"), GOOD),
        Column("TTFT p50", SECONDS, quantile(0.5, TIME_TO_FIRST_TOKEN, HERE, PAIR, "1h")),
        Column("this pair", RATIO, f"max by ({PAIR}) (exp({DEVIATION}) - 1)", SLOW),
        Column("target, all places", RATIO, _everywhere(of_target, "target"), SLOW),
        Column("place, all targets", RATIO, _everywhere(of_place, "location"), SLOW),
    ]
    text = Text(
        "Targets by place",
        "How much slower than usual the first token was in 15 minutes: for this"
        " target from this place, for the target from all places (median), and"
        " for the place to all targets. A high value in the second column means"
        " a slow provider, in the third a slow place, and only in the first the"
        " network between the two.",
    )
    return rows(text, PAIR.split(", "), columns, height=12)


def _by_target() -> Section:
    return Section(
        "The same target from several places",
        [
            over_time(
                Text("Time to first token, median", "By target and place; distance included."),
                SECONDS,
                Query(
                    quantile(0.5, TIME_TO_FIRST_TOKEN, HERE, PAIR), "{{target}} from {{location}}"
                ),
            ),
            over_time(
                Text(
                    "Time to first token against usual",
                    "Compared with the same hour of the last week from the same place, so"
                    " distance doesn't matter.",
                ),
                RATIO,
                Query(f"exp({DEVIATION}) - 1", "{{target}} {{probe}} from {{location}}"),
            ),
        ],
    )


def _by_place() -> Section:
    return Section(
        "The place itself",
        [
            over_time(
                Text("Success", "Share of the probes of a place that succeeded, all targets."),
                RATIO,
                Query(success_ratio(HERE, "location"), "{{location}}"),
            ),
            over_time(
                Text("Opening a connection, median", "TCP only: the network without the provider."),
                SECONDS,
                Query(quantile(0.5, CONNECTION, f'{HERE},phase="tcp"', "location"), "{{location}}"),
            ),
        ],
    )
