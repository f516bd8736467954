"""Every metric, declared once. Dashboards, rules and checks read these declarations."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LATENCY_BUCKETS = (
    0.005, 0.009, 0.016, 0.03, 0.054, 0.098, 0.18, 0.32, 0.58, 1.1, 1.9, 3.4, 6.2, 11, 20, 37, 66,
    120,
)  # fmt: skip
"""From 5 ms to 120 s in equal steps on a logarithmic scale: of all buckets of this number they give
the least relative error where nothing is known of the latencies beforehand."""
TOKEN_TIME_BUCKETS = (
    0.0005, 0.001, 0.002, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1,
)  # fmt: skip
SPEED_BUCKETS = (1, 2.5, 5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000)
PHASE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
COLD_BUCKETS = (
    0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1800,
)  # fmt: skip
LAG_BUCKETS = (
    0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10,
)  # fmt: skip

COMMON_LABELS = ("target", "provider", "model", "probe")


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One declared metric; ``labels`` are those beside the common ones."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _histogram(name: str, buckets: tuple[float, ...], help: str, *labels: str) -> Family:
    return Family(name, Kind.HISTOGRAM, help, labels, buckets)


def _counter(name: str, help: str, *labels: str) -> Family:
    return Family(name, Kind.COUNTER, help, labels)


def _gauge(name: str, help: str, *labels: str) -> Family:
    return Family(name, Kind.GAUGE, help, labels)


TIME_TO_FIRST_TOKEN = _histogram(
    "inference_time_to_first_token_seconds",
    LATENCY_BUCKETS,
    "From the last byte of the request sent to the first output of any kind.",
)
TIME_TO_FIRST_ANSWER_TOKEN = _histogram(
    "inference_time_to_first_answer_token_seconds",
    LATENCY_BUCKETS,
    "From the last byte of the request sent to the first visible answer text.",
)
TIME_PER_OUTPUT_TOKEN = _histogram(
    "inference_time_per_output_token_seconds",
    TOKEN_TIME_BUCKETS,
    "Mean time per output token after the first, by the provider's own token count.",
)
INTER_CHUNK_LATENCY = _histogram(
    "inference_inter_chunk_latency_seconds",
    TOKEN_TIME_BUCKETS,
    "Time between two reads that held output; a chunk is not a token.",
)
REQUEST_DURATION = _histogram(
    "inference_request_duration_seconds",
    LATENCY_BUCKETS,
    "From the last byte of the request sent to the end marker of the stream.",
)
OUTPUT_TOKENS_PER_SECOND = _histogram(
    "inference_output_tokens_per_second",
    SPEED_BUCKETS,
    "Output tokens per second after the first token.",
)
CONNECTION_PHASE_DURATION = _histogram(
    "inference_connection_phase_duration_seconds",
    PHASE_BUCKETS,
    "Time to open a connection, by phase; never part of the time to first token.",
    "phase",
)
COLD_START_DURATION = _histogram(
    "inference_cold_start_duration_seconds",
    COLD_BUCKETS,
    "From the first attempt's last byte sent to the first token of a model that was cold, across"
    " retries while it was not ready.",
)
COLD_START_PENALTY = _histogram(
    "inference_cold_start_penalty_seconds",
    COLD_BUCKETS,
    "Cold-start duration minus the median of the recent warm times to first token; not below 0.",
)
COLD_STARTS = _counter(
    "inference_cold_starts_total",
    "Cold starts measured, by how the model showed that it was cold; none: it was not, although"
    " it had been left alone.",
    "signal",
)
COLD_START_ATTEMPTS = _counter(
    "inference_cold_start_attempts_total",
    "Requests that measured cold starts took, retries included.",
)
BOOT_PHASE_DURATION = _gauge(
    "inference_boot_phase_duration_seconds",
    "From the first refused connection of the latest boot of the server to the end of a phase.",
    "phase",
)
NOT_READY_SINCE = _gauge(
    "inference_not_ready_since_timestamp_seconds",
    "Since when the model has not been ready to answer, Unix time; NaN while it is.",
)
NOT_READY_LIMIT = _gauge(
    "inference_not_ready_limit_seconds",
    "How long the model may be not ready before that is a fault.",
)
PROBES = _counter("inference_probes_total", "Probes that came to an end.", "outcome")
PROBE_FAILURES = _counter("inference_probe_failures_total", "Failed probes.", "reason")
PROBES_UNCERTAIN = _counter(
    "inference_probes_uncertain_total",
    "Successful probes whose times are left out, since the exporter read too late to be sure, and"
    " probes that the exporter itself interrupted, which have no outcome.",
)
PROBES_SKIPPED = _counter(
    "inference_probes_skipped_total", "Scheduled probes that were not sent.", "reason"
)
TOKENS = _counter(
    "inference_tokens_total",
    "Tokens by the provider's own count; cached_input and cache_write are parts of input,"
    " reasoning is a part of output.",
    "type",
)
COST = _counter(
    "inference_cost_usd_total", "Cost of all probes, by the provider's own token count."
)
PRICE = _gauge(
    "inference_price_usd_per_million_tokens",
    "Price in force for short requests at peak hours.",
    "type",
)
USD_PER_MILLION = _gauge(
    "inference_usd_per_million_tokens",
    "Price as users compare it: output alone, or blended by the mix of price_mix; for a server paid"
    " by the hour, what its time came to in the latest successful probe.",
    "mix",
)
ASSUMED_CONCURRENCY = _gauge(
    "inference_price_assumed_concurrency",
    "Streams that a server paid by the hour is taken to serve at once, as fast as the probe's.",
)
LAST_SUCCESS = _gauge("inference_last_probe_success", "Whether the latest probe succeeded.")
LAST_TIMESTAMP = _gauge(
    "inference_last_probe_timestamp_seconds", "When the latest probe ended, Unix time."
)
LAST_TIME_TO_FIRST_TOKEN = _gauge(
    "inference_last_probe_time_to_first_token_seconds",
    "Time to first token of the latest probe; NaN if it failed.",
)
LAST_TIME_PER_OUTPUT_TOKEN = _gauge(
    "inference_last_probe_time_per_output_token_seconds",
    "Time per output token of the latest probe; NaN if it failed.",
)
LAST_REQUEST_DURATION = _gauge(
    "inference_last_probe_request_duration_seconds",
    "Request duration of the latest probe; NaN if it failed.",
)
LAST_OUTPUT_TOKENS_PER_SECOND = _gauge(
    "inference_last_probe_output_tokens_per_second",
    "Output tokens per second of the latest probe; NaN if it failed.",
)
LAST_MAX_STALL = _gauge(
    "inference_last_probe_max_stall_seconds",
    "Longest gap between two reads with output of the latest probe; NaN if it failed.",
)
RATE_LIMIT_REMAINING = _gauge(
    "inference_rate_limit_remaining", "What the provider says is left.", "resource"
)
RATE_LIMIT_LIMIT = _gauge("inference_rate_limit_limit", "The provider's limit.", "resource")
TARGET_INFO = _gauge(
    "inference_target_info",
    "Where the target is, and which model the provider says it served; always 1.",
    "endpoint",
    "region",
    "served_model",
)
SERVED_MODEL_CHANGES = _counter(
    "inference_served_model_changes_total",
    "How often the model that the provider says it served became another.",
)
CERTIFICATE_EXPIRY = _gauge(
    "inference_tls_certificate_expiry_timestamp_seconds",
    "When the server's certificate expires, Unix time.",
)
SLO_THRESHOLD = _gauge("inference_slo_threshold_seconds", "Latency that an SLO allows.", "slo")
SLO_OBJECTIVE = _gauge(
    "inference_slo_objective_ratio", "Share of probes that an SLO asks for.", "slo"
)

SLO_PROBES = _counter(
    "inference_slo_probes_total",
    "Probes that an SLO judged: for success all, for times the successful ones.",
    "slo",
)
SLO_GOOD_PROBES = _counter("inference_slo_good_probes_total", "Probes that met an SLO.", "slo")

PROBE_FAMILIES: tuple[Family, ...] = (
    TIME_TO_FIRST_TOKEN,
    TIME_TO_FIRST_ANSWER_TOKEN,
    TIME_PER_OUTPUT_TOKEN,
    INTER_CHUNK_LATENCY,
    REQUEST_DURATION,
    OUTPUT_TOKENS_PER_SECOND,
    CONNECTION_PHASE_DURATION,
    COLD_START_DURATION,
    COLD_START_PENALTY,
    COLD_STARTS,
    COLD_START_ATTEMPTS,
    BOOT_PHASE_DURATION,
    NOT_READY_SINCE,
    NOT_READY_LIMIT,
    PROBES,
    PROBE_FAILURES,
    PROBES_UNCERTAIN,
    PROBES_SKIPPED,
    TOKENS,
    COST,
    PRICE,
    USD_PER_MILLION,
    ASSUMED_CONCURRENCY,
    LAST_SUCCESS,
    LAST_TIMESTAMP,
    LAST_TIME_TO_FIRST_TOKEN,
    LAST_TIME_PER_OUTPUT_TOKEN,
    LAST_REQUEST_DURATION,
    LAST_OUTPUT_TOKENS_PER_SECOND,
    LAST_MAX_STALL,
    RATE_LIMIT_REMAINING,
    RATE_LIMIT_LIMIT,
    TARGET_INFO,
    SERVED_MODEL_CHANGES,
    CERTIFICATE_EXPIRY,
    SLO_THRESHOLD,
    SLO_OBJECTIVE,
    SLO_PROBES,
    SLO_GOOD_PROBES,
)

PRICE_MIX = _gauge(
    "inference_price_mix_input_tokens",
    "Input tokens that go with one output token in blended prices.",
)
BUDGET = _gauge(
    "inference_budget_usd_per_day",
    "What all probing may cost in a day of UTC.",
)
BUDGET_SPENT = _gauge(
    "inference_budget_spent_usd",
    "What all probing has cost today (UTC); probes of unknown usage count as their worst case.",
)
TARGET_BUDGET = _gauge(
    "inference_target_budget_usd_per_day",
    "What probing a target may cost in a day of UTC.",
    "target",
)
TARGET_BUDGET_SPENT = _gauge(
    "inference_target_budget_spent_usd",
    "What probing a target that has a budget has cost today (UTC).",
    "target",
)
BUDGET_STATE_SAVED = _gauge(
    "inference_budget_state_saved",
    "Whether budget.state_file could be written.",
)
BUILD_INFO = _gauge(
    "inference_exporter_build_info", "Version of the exporter; always 1.", "version", "python"
)
RELOAD_SUCCESSFUL = _gauge(
    "inference_exporter_config_last_reload_successful",
    "Whether the latest attempt to load the configuration succeeded.",
)
RELOAD_TIMESTAMP = _gauge(
    "inference_exporter_config_last_reload_success_timestamp_seconds",
    "When the configuration in force was loaded, Unix time.",
)
EVENT_LOOP_LAG = _histogram(
    "inference_exporter_event_loop_lag_seconds",
    LAG_BUCKETS,
    "How much later than asked the probing event loop woke up.",
)
MEASUREMENT_LAG = _histogram(
    "inference_exporter_measurement_lag_seconds",
    LAG_BUCKETS,
    "The longest that a marked read of a probe waited for the exporter.",
)
SCHEDULE_DELAY = _histogram(
    "inference_exporter_schedule_delay_seconds",
    LAG_BUCKETS,
    "How much later than scheduled a probe was started.",
)
PROBES_IN_FLIGHT = _gauge("inference_exporter_probes_in_flight", "Probes under way now.")
LEADER = _gauge(
    "inference_exporter_leader",
    "Whether this exporter is the one of several that probes; only with leader election.",
    "lease",
)
LEADER_INFO = _gauge(
    "inference_exporter_leader_info",
    "The exporter that probes, as this one sees it; always 1.",
    "lease",
    "leader",
)
DISCOVERED_TARGETS = _gauge(
    "inference_exporter_discovered_targets",
    "What was found in the cluster; refused is what makes no valid target, as the log explains.",
    "state",
)
KUBERNETES_LAST_SUCCESS = _gauge(
    "inference_exporter_kubernetes_last_success_timestamp_seconds",
    "When the Kubernetes API server last answered, Unix time, by what it was asked for.",
    "purpose",
)

SELF_FAMILIES: tuple[Family, ...] = (
    PRICE_MIX,
    BUDGET,
    BUDGET_SPENT,
    TARGET_BUDGET,
    TARGET_BUDGET_SPENT,
    BUDGET_STATE_SAVED,
    BUILD_INFO,
    RELOAD_SUCCESSFUL,
    RELOAD_TIMESTAMP,
    EVENT_LOOP_LAG,
    MEASUREMENT_LAG,
    SCHEDULE_DELAY,
    PROBES_IN_FLIGHT,
    LEADER,
    LEADER_INFO,
    DISCOVERED_TARGETS,
    KUBERNETES_LAST_SUCCESS,
)
"""Metrics of the exporter itself; they have no target."""
