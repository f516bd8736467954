"""Target detail: the latency of one target by phase."""

from __future__ import annotations

from dashboards.expressions import SPEED, TIME_TO_FIRST_TOKEN, distribution_of, quantile, total
from dashboards.frame import TARGETS, Section
from dashboards.panels import COUNT, SECONDS, Query, Text, distribution, over_time


def last(measure: str) -> str:
    """The value of the latest probe."""
    return f"inference_last_probe_{measure}{{{TARGETS}}}"


def _quantiles(histogram: str, *, exemplars: bool = False) -> tuple[Query, Query]:
    return (
        Query(quantile(0.5, histogram, TARGETS, "probe"), "p50 {{probe}}", exemplars),
        Query(quantile(0.95, histogram, TARGETS, "probe"), "p95 {{probe}}"),
    )


def first_token() -> Section:
    """The time until the first token."""
    usual = f'target:inference_latency:usual_ln{{{TARGETS},measure="time_to_first_token"}}'
    return Section(
        "First token",
        [
            over_time(
                Text(
                    "Time to first token",
                    "From the last byte of the request to the first output of any kind. The dots"
                    " are exemplars: each carries the provider's request id.",
                ),
                SECONDS,
                *_quantiles(TIME_TO_FIRST_TOKEN, exemplars=True),
                Query(f"exp({usual})", "usual at this hour {{probe}}"),
            ),
            over_time(
                Text("Single probes", "The exact time to first token of each successful probe."),
                SECONDS,
                Query(f"{last('time_to_first_token_seconds')} > 0", "{{probe}}"),
                dots=True,
            ),
            distribution(
                Text("Distribution", "Distribution of the time to first token."),
                SECONDS,
                distribution_of(TIME_TO_FIRST_TOKEN, TARGETS),
            ),
            over_time(
                Text(
                    "Time to first answer token",
                    "The same for visible text. The difference to the first token is reasoning.",
                ),
                SECONDS,
                *_quantiles("inference_time_to_first_answer_token_seconds"),
            ),
        ],
    )


def stream() -> Section:
    """The time of the stream after the first token."""
    return Section(
        "Stream",
        [
            over_time(
                Text("Output tokens per second", "After the first token."),
                COUNT,
                *_quantiles(SPEED),
                width=8,
            ),
            over_time(
                Text("Time per output token", "Mean of each probe, by the provider's token count."),
                SECONDS,
                *_quantiles("inference_time_per_output_token_seconds"),
                Query(last("time_per_output_token_seconds") + " > 0", "latest {{probe}}"),
                width=8,
            ),
            over_time(
                Text("Request duration", "From the last byte of the request to the end marker."),
                SECONDS,
                *_quantiles("inference_request_duration_seconds"),
                Query(last("request_duration_seconds") + " > 0", "latest {{probe}}"),
                width=8,
            ),
            over_time(
                Text("Longest stall", "The longest silence within the latest answer."),
                SECONDS,
                Query(last("max_stall_seconds") + " >= 0", "{{probe}}"),
                dots=True,
            ),
            over_time(
                Text("Time between chunks", "Each gap between two reads; a chunk is not a token."),
                SECONDS,
                Query(
                    quantile(0.5, "inference_inter_chunk_latency_seconds", TARGETS, "probe"),
                    "p50 {{probe}}",
                ),
                Query(
                    quantile(0.99, "inference_inter_chunk_latency_seconds", TARGETS, "probe"),
                    "p99 {{probe}}",
                ),
            ),
        ],
    )


def network() -> Section:
    """The time on the network."""
    phases = "inference_connection_phase_duration_seconds"
    return Section(
        "Network",
        [
            over_time(
                Text(
                    "Opening a connection, median",
                    "By phase; never part of the time to first token. Few points if"
                    " connections are reused.",
                ),
                SECONDS,
                Query(quantile(0.5, phases, TARGETS, "phase"), "{{phase}}"),
            ),
            over_time(
                Text(
                    "Requests sent again",
                    "In each window, because the server closed a kept connection as they arrived.",
                ),
                COUNT,
                Query(total("inference_connection_retries_total", TARGETS, "probe"), "{{probe}}"),
            ),
        ],
    )
