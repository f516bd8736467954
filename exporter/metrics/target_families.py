"""The metrics of one target and one probe, each declared once."""

from __future__ import annotations

import math

from exporter.coldness import ColdSignal
from exporter.metrics import possible, takes
from exporter.metrics.buckets import (
    CHUNK_BUCKETS,
    COLD_BUCKETS,
    DURATION_BUCKETS,
    FIRST_TOKEN_BUCKETS,
    PHASE_BUCKETS,
    SPEED_BUCKETS,
    TOKEN_TIME_BUCKETS,
)
from exporter.metrics.family import ANY, Families
from exporter.metrics.kind_families import KIND_FAMILIES
from exporter.result import FailureReason, SkipReason

TARGET_FAMILIES = Families()

TIME_TO_FIRST_TOKEN = TARGET_FAMILIES.histogram(
    "inference_time_to_first_token_seconds",
    FIRST_TOKEN_BUCKETS,
    "From the last byte of the request sent to the first output of any kind.",
    takes.timed(lambda o: o.result.time_to_first_token_seconds),
    traced=True,
    possible=possible.streamed,
)
TIME_TO_FIRST_ANSWER_TOKEN = TARGET_FAMILIES.histogram(
    "inference_time_to_first_answer_token_seconds",
    FIRST_TOKEN_BUCKETS,
    "From the last byte of the request sent to the first visible answer text.",
    takes.timed(lambda o: o.result.time_to_first_answer_token_seconds),
    traced=True,
    possible=possible.streamed,
)
TIME_PER_OUTPUT_TOKEN = TARGET_FAMILIES.histogram(
    "inference_time_per_output_token_seconds",
    TOKEN_TIME_BUCKETS,
    "Mean time per output token after the first, by the provider's token count.",
    takes.timed(lambda o: o.result.time_per_output_token_seconds),
    traced=True,
    possible=possible.streamed,
)
INTER_CHUNK_LATENCY = TARGET_FAMILIES.histogram(
    "inference_inter_chunk_latency_seconds",
    CHUNK_BUCKETS,
    "Time between two reads that contained output; a chunk is not a token.",
    takes.gaps,
    possible=possible.streamed,
)
REQUEST_DURATION = TARGET_FAMILIES.histogram(
    "inference_request_duration_seconds",
    DURATION_BUCKETS,
    "From the last byte of the request sent to the end marker of the stream.",
    takes.timed(lambda o: o.result.request_duration_seconds),
    traced=True,
)
OUTPUT_TOKENS_PER_SECOND = TARGET_FAMILIES.histogram(
    "inference_output_tokens_per_second",
    SPEED_BUCKETS,
    "Output tokens per second after the first token.",
    takes.timed(lambda o: o.result.output_tokens_per_second),
    traced=True,
    possible=possible.streamed,
)
CONNECTION_PHASE_DURATION = TARGET_FAMILIES.histogram(
    "inference_connection_phase_duration_seconds",
    PHASE_BUCKETS,
    "Time to open a connection, by phase; never part of the time to first token.",
    takes.phases,
    phase=takes.PHASES,
    possible=possible.phases,
)
COLD_START_DURATION = TARGET_FAMILIES.histogram(
    "inference_cold_start_duration_seconds",
    COLD_BUCKETS,
    "From the last byte of the first attempt sent to the first token of a cold model,"
    " including retries while it was not ready.",
    takes.asked_cold(lambda cold: cold.duration_seconds),
    traced=True,
    possible=possible.cold,
)
COLD_START_PENALTY = TARGET_FAMILIES.histogram(
    "inference_cold_start_penalty_seconds",
    COLD_BUCKETS,
    "Cold-start duration minus the median of the recent warm times to first token; not below 0.",
    takes.asked_cold(lambda cold: cold.penalty_seconds),
    traced=True,
    possible=possible.cold,
)
COLD_STARTS = TARGET_FAMILIES.counter(
    "inference_cold_starts_total",
    "Measured cold starts, by how the model showed that it was cold; none: it was not cold,"
    " although it had been idle.",
    takes.cold_starts,
    traced=True,
    signal=ColdSignal,
    possible=possible.counted_cold,
)
COLD_START_ATTEMPTS = TARGET_FAMILIES.counter(
    "inference_cold_start_attempts_total",
    "Requests for measured cold starts, including retries.",
    takes.one(takes.cold_attempts),
    possible=possible.counted_cold,
)
BOOT_PHASE_DURATION = TARGET_FAMILIES.gauge(
    "inference_boot_phase_duration_seconds",
    "From the first refused connection of the server's latest boot to the end of a phase.",
    phase=ANY,
)
NOT_READY_SINCE = TARGET_FAMILIES.gauge(
    "inference_not_ready_since_timestamp_seconds",
    "Since when the model has not been ready, Unix time; NaN while it is ready, or no series"
    " if it was always ready and nothing suggests that it can be cold.",
    initial=math.nan,
    possible=possible.cold,
)
NOT_READY_LIMIT = TARGET_FAMILIES.gauge(
    "inference_not_ready_limit_seconds",
    "How long the model can be not ready before that is a failure.",
)
PROBES = TARGET_FAMILIES.counter(
    "inference_probes_total",
    "Completed probes.",
    takes.outcome,
    traced=True,
    outcome=takes.OUTCOMES,
)
PROBE_FAILURES = TARGET_FAMILIES.counter(
    "inference_probe_failures_total",
    "Failed probes.",
    takes.reason,
    traced=True,
    reason=FailureReason,
)
PROBES_UNCERTAIN = TARGET_FAMILIES.counter(
    "inference_probes_uncertain_total",
    "Successful probes whose times are left out because the exporter read too late to be"
    " sure, and probes that the exporter itself interrupted, which have no outcome.",
    takes.one(takes.uncertain),
    traced=True,
)
CONNECTION_RETRIES = TARGET_FAMILIES.counter(
    "inference_connection_retries_total",
    "Requests sent again over a new connection, because the server closed the kept one as"
    " they arrived, before any byte of an answer.",
    takes.one(lambda o: o.result.connection_retries or None),
)
CONFIRMATIONS = TARGET_FAMILIES.counter(
    "inference_confirmations_total",
    "Extra probes to confirm or refute a change; they count in tokens, cost and evidence, and"
    " in no other metric.",
    takes.confirmation,
    traced=True,
    outcome=takes.OUTCOMES,
)
EVIDENCE = TARGET_FAMILIES.gauge(
    "inference_change_evidence",
    "How strongly the latest probes, including confirming ones, show that more failures"
    " (success) or times half as long again (time_to_first_token) are not chance: from 0 to"
    " 13, which chance alone reaches once in ten months of one probe per minute; NaN until the"
    " exporter knows what is usual.",
    initial=math.nan,
    measure=takes.EVIDENCE_MEASURES,
)
PROBES_SKIPPED = TARGET_FAMILIES.counter(
    "inference_probes_skipped_total",
    "Scheduled probes that the exporter did not send.",
    reason=SkipReason,
    possible=possible.skipped,
)
TOKENS = TARGET_FAMILIES.counter(
    "inference_tokens_total",
    "Tokens by the provider's count; cached_input and cache_write are part of input,"
    " reasoning is part of output.",
    takes.tokens,
    type=takes.TOKEN_TYPES,
    possible=possible.run,
)
COST = TARGET_FAMILIES.counter(
    "inference_cost_usd_total",
    "Cost of all probes, by the provider's token count; absent for a server with an hourly price,"
    " and as long as the price is unknown.",
    possible=possible.priced,
)
PRICE = TARGET_FAMILIES.gauge(
    "inference_price_usd_per_million_tokens",
    "Current price for short requests at peak hours.",
    type=ANY,
)
USD_PER_MILLION = TARGET_FAMILIES.gauge(
    "inference_usd_per_million_tokens",
    "Price to compare providers by: output alone, or blended as in price_mix; for a server"
    " with an hourly price, the cost of its time in the latest successful probe.",
    mix=ANY,
)
ASSUMED_CONCURRENCY = TARGET_FAMILIES.gauge(
    "inference_price_assumed_concurrency",
    "Streams that a server with an hourly price is assumed to serve at once, each as fast as"
    " the probe.",
)
LAST_SUCCESS = TARGET_FAMILIES.gauge(
    "inference_last_probe_success",
    "Whether the latest probe succeeded.",
    takes.one(takes.last_success),
    initial=math.nan,
)
LAST_TIMESTAMP = TARGET_FAMILIES.gauge(
    "inference_last_probe_timestamp_seconds",
    "When the latest probe ended, Unix time.",
    takes.one(takes.last_timestamp),
    initial=math.nan,
)
LAST_TIME_TO_FIRST_TOKEN = TARGET_FAMILIES.gauge(
    "inference_last_probe_time_to_first_token_seconds",
    "Time to first token of the latest probe; NaN if it failed.",
    takes.latest(lambda o: o.result.time_to_first_token_seconds),
    initial=math.nan,
)
LAST_TIME_PER_OUTPUT_TOKEN = TARGET_FAMILIES.gauge(
    "inference_last_probe_time_per_output_token_seconds",
    "Time per output token of the latest probe; NaN if it failed.",
    takes.latest(lambda o: o.result.time_per_output_token_seconds),
    initial=math.nan,
)
LAST_REQUEST_DURATION = TARGET_FAMILIES.gauge(
    "inference_last_probe_request_duration_seconds",
    "Request duration of the latest probe; NaN if it failed.",
    takes.latest(lambda o: o.result.request_duration_seconds),
    initial=math.nan,
)
LAST_OUTPUT_TOKENS_PER_SECOND = TARGET_FAMILIES.gauge(
    "inference_last_probe_output_tokens_per_second",
    "Output tokens per second of the latest probe; NaN if it failed.",
    takes.latest(lambda o: o.result.output_tokens_per_second),
    initial=math.nan,
)
LAST_MAX_STALL = TARGET_FAMILIES.gauge(
    "inference_last_probe_max_stall_seconds",
    "Longest gap between two reads with output of the latest probe; NaN if it failed.",
    takes.latest(lambda o: o.result.max_stall_seconds),
    initial=math.nan,
)
TARGET_FAMILIES.include(KIND_FAMILIES)
RATE_LIMIT_REMAINING = TARGET_FAMILIES.gauge(
    "inference_rate_limit_remaining",
    "What is left of the provider's rate limit, as the provider reports it.",
    takes.rate_limits(lambda limit: limit.remaining),
    resource=ANY,
)
RATE_LIMIT_LIMIT = TARGET_FAMILIES.gauge(
    "inference_rate_limit_limit",
    "The provider's rate limit.",
    takes.rate_limits(lambda limit: limit.limit),
    resource=ANY,
)
TARGET_INFO = TARGET_FAMILIES.gauge(
    "inference_target_info",
    "Endpoint of the target, and the model that the provider reports as served; always 1.",
    endpoint=ANY,
    region=ANY,
    served_model=ANY,
)
SERVED_MODEL_CHANGES = TARGET_FAMILIES.counter(
    "inference_served_model_changes_total",
    "How often the model that the provider reports as served changed.",
)
CERTIFICATE_EXPIRY = TARGET_FAMILIES.gauge(
    "inference_tls_certificate_expiry_timestamp_seconds",
    "When the server's certificate expires, Unix time.",
    takes.one(lambda o: o.result.certificate_expires_at),
)
SLO_THRESHOLD = TARGET_FAMILIES.gauge(
    "inference_slo_threshold_seconds", "Latency that an SLO allows.", slo=ANY
)
SLO_OBJECTIVE = TARGET_FAMILIES.gauge(
    "inference_slo_objective_ratio", "Share of probes that an SLO requires.", slo=ANY
)

SLO_PROBES = TARGET_FAMILIES.counter(
    "inference_slo_probes_total",
    "Probes that count for an SLO: for success all, for times the successful ones.",
    takes.slo_probes,
    from_the_start=False,
    slo=ANY,
)
SLO_GOOD_PROBES = TARGET_FAMILIES.counter(
    "inference_slo_good_probes_total",
    "Probes that met an SLO.",
    takes.slo_good_probes,
    from_the_start=False,
    slo=ANY,
)
