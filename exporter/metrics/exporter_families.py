"""The metrics of the exporter itself, each declared once. They have no target."""

from __future__ import annotations

from exporter.metrics.buckets import LAG_BUCKETS
from exporter.metrics.family import ANY, Families
from exporter.metrics.takes import one

EXPORTER_FAMILIES = Families()

PRICE_MIX = EXPORTER_FAMILIES.gauge(
    "inference_price_mix_input_tokens",
    "Input tokens for each output token in blended prices.",
)
BUDGET = EXPORTER_FAMILIES.gauge(
    "inference_budget_usd_per_day",
    "Budget of all probes for a day (UTC).",
)
BUDGET_SPENT = EXPORTER_FAMILIES.gauge(
    "inference_budget_spent_usd",
    "Cost of all probes today (UTC); probes without a token count count as their worst case.",
)
TARGET_BUDGET = EXPORTER_FAMILIES.gauge(
    "inference_target_budget_usd_per_day",
    "Budget of a target for a day (UTC).",
    target=ANY,
)
TARGET_BUDGET_SPENT = EXPORTER_FAMILIES.gauge(
    "inference_target_budget_spent_usd",
    "Cost of probing a target with its own budget today (UTC).",
    target=ANY,
)
BUDGET_STATE_SAVED = EXPORTER_FAMILIES.gauge(
    "inference_budget_state_saved",
    "Whether the exporter could write budget.state_file.",
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
    "When the active configuration was loaded, Unix time.",
)
EVENT_LOOP_LAG = EXPORTER_FAMILIES.histogram(
    "inference_exporter_event_loop_lag_seconds",
    LAG_BUCKETS,
    "How much later than requested the probing event loop woke up.",
)
MEASUREMENT_LAG = EXPORTER_FAMILIES.histogram(
    "inference_exporter_measurement_lag_seconds",
    LAG_BUCKETS,
    "The longest time that received data of a probe waited for the exporter.",
    one(lambda o: o.result.lag_seconds),
)
SCHEDULE_DELAY = EXPORTER_FAMILIES.histogram(
    "inference_exporter_schedule_delay_seconds",
    LAG_BUCKETS,
    "How much later than scheduled a probe started.",
)
PROBES_IN_FLIGHT = EXPORTER_FAMILIES.gauge(
    "inference_exporter_probes_in_flight", "Probes that are running."
)
LEADER = EXPORTER_FAMILIES.gauge(
    "inference_exporter_leader",
    "Whether this exporter is the one that probes; only with leader election.",
    lease=ANY,
)
LEADER_INFO = EXPORTER_FAMILIES.gauge(
    "inference_exporter_leader_info",
    "The exporter that probes, as this exporter sees it; always 1.",
    lease=ANY,
    leader=ANY,
)
SHARDS = EXPORTER_FAMILIES.gauge(
    "inference_exporter_shards",
    "How many shards share the targets, by the exporter of this one; only with `--shard`.",
    shard=ANY,
)
DISCOVERED_TARGETS = EXPORTER_FAMILIES.gauge(
    "inference_exporter_discovered_targets",
    "Objects that discovery found in the cluster; refused ones are not valid targets, and the"
    " log says why.",
    state=ANY,
)
KUBERNETES_LAST_SUCCESS = EXPORTER_FAMILIES.gauge(
    "inference_exporter_kubernetes_last_success_timestamp_seconds",
    "When the Kubernetes API server last responded, Unix time, by purpose of the request.",
    purpose=ANY,
)
CONTROL_PROBES = EXPORTER_FAMILIES.counter(
    "inference_exporter_control_probes_total",
    "Requests to a control, which separates problems of the exporter's own network from problems"
    " of the targets.",
    from_the_start=False,
    control=ANY,
    outcome=ANY,
)
CONTROL_SUCCESS = EXPORTER_FAMILIES.gauge(
    "inference_exporter_control_last_success",
    "Whether the latest request to a control got a response.",
    control=ANY,
)
CONTROL_DURATION = EXPORTER_FAMILIES.gauge(
    "inference_exporter_control_last_duration_seconds",
    "From the DNS lookup to the response of the latest request to a control, over a new"
    " connection; NaN without a response.",
    control=ANY,
)
SERIES = EXPORTER_FAMILIES.gauge(
    "inference_exporter_series",
    "Series in this exposition, counting each bucket of a classic histogram.",
)
