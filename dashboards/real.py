"""Synthetic and real: the measurements of probes next to the real traffic of a gateway or server.

LiteLLM's proxy and vLLM export metrics of their traffic. The dashboard shows whichever of them
Prometheus scrapes.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from dashboards.expressions import TIME_TO_FIRST_TOKEN, WINDOW, mean, success_ratio, their_mean
from dashboards.frame import TARGETS, Frame, Section, choose_targets
from dashboards.panels import RATIO, SECONDS, Query, Text, over_time

DURATION = "inference_request_duration_seconds"
GATEWAY = 'job=~".+"'
USERS = f'{GATEWAY},user_agent!~"inference-exporter/.*"'
"""LiteLLM exports the user agent, which allows the query to exclude probes."""
PROBES = f'{GATEWAY},user_agent=~"inference-exporter/.*"'
REQUESTS = "litellm_proxy_total_requests_metric_total"
FAILED = "litellm_proxy_failed_requests_metric_total"
GATEWAY_FIRST_TOKEN = "litellm_llm_api_time_to_first_token_metric"
GATEWAY_DURATION = "litellm_request_total_latency_metric"
SERVER_FIRST_TOKEN = "vllm:time_to_first_token_seconds"
SERVER_DURATION = "vllm:e2e_request_latency_seconds"
SERVER_REQUESTS = "vllm:request_success_total"


def build() -> builders.Dashboard:
    """Build the dashboard, which compares both views measure by measure."""
    frame = Frame(
        uid="inference-real",
        title="Inference / Synthetic and real",
        description="Probes next to real traffic, if you also scrape a LiteLLM proxy or a"
        " vLLM server. To match them, give targets the model names that the"
        " gateway uses.",
        variables=choose_targets(),
    )
    return frame.fill(_times(), _outcomes())


def answered() -> str:
    """The share of real requests that the gateway answered successfully, by model."""
    failed = f"sum by (requested_model) (increase({FAILED}{{{USERS}}}[{WINDOW}]))"
    every = f"sum by (requested_model) (increase({REQUESTS}{{{USERS}}}[{WINDOW}]))"
    return f"1 - ({failed} or 0 * {every}) / ({every} > 0)"


def _times() -> Section:
    return Section(
        "Times",
        [
            over_time(
                Text(
                    "Time to first token, mean",
                    "For probes, by this exporter; for all requests, by LiteLLM from where"
                    " it runs, and by vLLM inside the server. Real prompts are longer and"
                    " can be cached: compare how the lines move, not their levels. LiteLLM"
                    " measures it only for streamed requests.",
                ),
                SECONDS,
                Query(mean(TIME_TO_FIRST_TOKEN, TARGETS, "target"), "probes {{target}}"),
                Query(
                    their_mean(GATEWAY_FIRST_TOKEN, GATEWAY, "requested_model"),
                    "LiteLLM {{requested_model}}",
                ),
                Query(their_mean(SERVER_FIRST_TOKEN, GATEWAY, "model_name"), "vLLM {{model_name}}"),
            ),
            over_time(
                Text(
                    "Duration of a request, mean",
                    "The same for whole requests. Answers in real traffic have other lengths.",
                ),
                SECONDS,
                Query(mean(DURATION, TARGETS, "target"), "probes {{target}}"),
                Query(
                    their_mean(GATEWAY_DURATION, GATEWAY, "requested_model"),
                    "LiteLLM {{requested_model}}",
                ),
                Query(their_mean(SERVER_DURATION, GATEWAY, "model_name"), "vLLM {{model_name}}"),
            ),
        ],
    )


def _outcomes() -> Section:
    return Section(
        "Outcomes",
        [
            over_time(
                Text(
                    "Success",
                    "Probes that succeeded, and real requests that LiteLLM answered. Errors"
                    " of its users count as failures there.",
                ),
                RATIO,
                Query(success_ratio(TARGETS, "target"), "probes {{target}}"),
                Query(answered(), "users {{requested_model}}"),
                width=8,
            ),
            over_time(
                Text("Requests a second", "Real traffic. Few requests make noisy means."),
                "ops",
                Query(_rate(REQUESTS, USERS, "requested_model"), "users {{requested_model}}"),
                Query(_rate(SERVER_REQUESTS, GATEWAY, "model_name"), "vLLM, all {{model_name}}"),
                width=8,
            ),
            over_time(
                Text(
                    "Share of probes",
                    "Share of a gateway's traffic that is probes. If it is large, the"
                    " gateway's own figures say little about its users.",
                ),
                RATIO,
                Query(
                    f"{_rate(REQUESTS, PROBES, 'requested_model')}"
                    f" / {_rate(REQUESTS, GATEWAY, 'requested_model')} >= 0",
                    "{{requested_model}}",
                ),
                width=8,
            ),
        ],
    )


def _rate(counter: str, matchers: str, by: str) -> str:
    return f"sum by ({by}) (rate({counter}{{{matchers}}}[{WINDOW}]))"
