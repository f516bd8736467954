"""The metrics of the exporter itself, each declared once; they have no target."""

from __future__ import annotations

from exporter.metrics.buckets import LAG_BUCKETS
from exporter.metrics.family import ANY, Families
from exporter.metrics.takes import one

EXPORTER_FAMILIES = Families()

PRICE_MIX = EXPORTER_FAMILIES.gauge(
    "inference_price_mix_input_tokens",
    "Input tokens that go with one output token in blended prices.",
)
BUDGET = EXPORTER_FAMILIES.gauge(
    "inference_budget_usd_per_day",
    "What all probing may cost in a day of UTC.",
)
BUDGET_SPENT = EXPORTER_FAMILIES.gauge(
    "inference_budget_spent_usd",
    "What all probing has cost today (UTC); probes of unknown usage count as their worst case.",
)
TARGET_BUDGET = EXPORTER_FAMILIES.gauge(
    "inference_target_budget_usd_per_day",
    "What probing a target may cost in a day of UTC.",
    target=ANY,
)
TARGET_BUDGET_SPENT = EXPORTER_FAMILIES.gauge(
    "inference_target_budget_spent_usd",
    "What probing a target that has a budget has cost today (UTC).",
    target=ANY,
)
BUDGET_STATE_SAVED = EXPORTER_FAMILIES.gauge(
    "inference_budget_state_saved",
    "Whether budget.state_file could be written.",
)
BUILD_INFO = EXPORTER_FAMILIES.gauge(
    "inference_exporter_build_info", "Version of the exporter; always 1.", version=ANY, python=ANY
)
RELOAD_SUCCESSFUL = EXPORTER_FAMILIES.gauge(
    "inference_exporter_config_last_reload_successful",
    "Whether the latest attempt to load the configuration succeeded.",
)
RELOAD_TIMESTAMP = EXPORTER_FAMILIES.gauge(
    "inference_exporter_config_last_reload_success_timestamp_seconds",
    "When the configuration in force was loaded, Unix time.",
)
EVENT_LOOP_LAG = EXPORTER_FAMILIES.histogram(
    "inference_exporter_event_loop_lag_seconds",
    LAG_BUCKETS,
    "How much later than asked the probing event loop woke up.",
)
MEASUREMENT_LAG = EXPORTER_FAMILIES.histogram(
    "inference_exporter_measurement_lag_seconds",
    LAG_BUCKETS,
    "The longest that a marked read of a probe waited for the exporter.",
    one(lambda o: o.result.lag_seconds),
)
SCHEDULE_DELAY = EXPORTER_FAMILIES.histogram(
    "inference_exporter_schedule_delay_seconds",
    LAG_BUCKETS,
    "How much later than scheduled a probe was started.",
)
PROBES_IN_FLIGHT = EXPORTER_FAMILIES.gauge(
    "inference_exporter_probes_in_flight", "Probes under way now."
)
LEADER = EXPORTER_FAMILIES.gauge(
    "inference_exporter_leader",
    "Whether this exporter is the one of several that probes; only with leader election.",
    lease=ANY,
)
LEADER_INFO = EXPORTER_FAMILIES.gauge(
    "inference_exporter_leader_info",
    "The exporter that probes, as this one sees it; always 1.",
    lease=ANY,
    leader=ANY,
)
DISCOVERED_TARGETS = EXPORTER_FAMILIES.gauge(
    "inference_exporter_discovered_targets",
    "What was found in the cluster; refused is what makes no valid target, as the log explains.",
    state=ANY,
)
KUBERNETES_LAST_SUCCESS = EXPORTER_FAMILIES.gauge(
    "inference_exporter_kubernetes_last_success_timestamp_seconds",
    "When the Kubernetes API server last answered, Unix time, by what it was asked for.",
    purpose=ANY,
)
CONTROL_PROBES = EXPORTER_FAMILIES.counter(
    "inference_exporter_control_probes_total",
    "Requests to a control, which tells the exporter's own network from the targets.",
    from_the_start=False,
    control=ANY,
    outcome=ANY,
)
CONTROL_SUCCESS = EXPORTER_FAMILIES.gauge(
    "inference_exporter_control_last_success",
    "Whether the latest request to a control was answered.",
    control=ANY,
)
CONTROL_DURATION = EXPORTER_FAMILIES.gauge(
    "inference_exporter_control_last_duration_seconds",
    "From the lookup of its name to the answer of the latest request to a control, over a new"
    " connection; NaN if there was no answer.",
    control=ANY,
)
SERIES = EXPORTER_FAMILIES.gauge(
    "inference_exporter_series",
    "Series in this exposition, each bucket of a classic histogram counted.",
)
