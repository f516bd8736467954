"""Target detail: the metrics of a model server next to what its clients measure.

vLLM, SGLang and llama.cpp export their own series. The dashboard shows whichever of them Prometheus
scrapes.
"""

from __future__ import annotations

from dashboards.expressions import TIME_TO_FIRST_TOKEN, mean, their_mean
from dashboards.frame import TARGETS, Section
from dashboards.panels import COUNT, RATIO, SECONDS, Query, Text, over_time

_EVERY = 'job=~".+"'
RUNNING = ("vllm:num_requests_running", "sglang:num_running_reqs", "llamacpp:requests_processing")
WAITING = ("vllm:num_requests_waiting", "sglang:num_queue_reqs", "llamacpp:requests_deferred")
CACHE = ("vllm:kv_cache_usage_perc", "sglang:token_usage")
FIRST_TOKEN = ("vllm:time_to_first_token_seconds", "sglang:time_to_first_token_seconds")
QUEUE = ("vllm:request_queue_time_seconds", "sglang:queue_time_seconds")


def server() -> Section:
    """How busy the server is, and its share of the latency."""
    return Section(
        "The server itself",
        [
            over_time(
                Text(
                    "Requests in the server",
                    "For all its clients, if Prometheus scrapes a vLLM, SGLang or llama.cpp"
                    " server. A probe that waits in the queue is slow because of other"
                    " requests.",
                ),
                COUNT,
                *(_each(name, "running") for name in RUNNING),
                *(_each(name, "waiting") for name in WAITING),
                width=8,
            ),
            over_time(
                Text(
                    "KV cache in use",
                    "Near 1, requests wait or are preempted and start again. llama.cpp"
                    " doesn't report it.",
                ),
                RATIO,
                *(_each(name, "in use") for name in CACHE),
                width=8,
            ),
            over_time(
                Text(
                    "Client and server",
                    "Means, because a server's buckets are coarse: the lowest of vLLM's"
                    " queue time ends at 0.3 s. The difference between client and server is"
                    " the network. The server's values are for all its requests, not only"
                    " for probes.",
                ),
                SECONDS,
                Query(mean(TIME_TO_FIRST_TOKEN, TARGETS, "model"), "client {{model}}"),
                *(_time(name, "server") for name in FIRST_TOKEN),
                *(_time(name, "queue") for name in QUEUE),
                width=8,
            ),
        ],
    )


def _each(gauge: str, what: str) -> Query:
    legend = f"{{{{instance}}}} {{{{model_name}}}} {what}"
    return Query(f"sum by (instance, model_name) ({gauge}{{{_EVERY}}})", legend)


def _time(histogram: str, what: str) -> Query:
    return Query(their_mean(histogram, _EVERY, "model_name"), f"{what} {{{{model_name}}}}")
