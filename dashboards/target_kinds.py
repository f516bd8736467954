"""Target detail: measures that only some kinds of probes have."""

from __future__ import annotations

from dashboards.expressions import STEP, WINDOW, total
from dashboards.frame import TARGETS, Section
from dashboards.panels import COUNT, RATIO, SECONDS, USD, Query, Text, over_time


def vectors() -> Section:
    """Embeddings and reranking."""
    return Section(
        "Embeddings and reranking",
        [
            over_time(
                Text(
                    "Same text, same vector",
                    "Cosine with the first vector of the same text: well below 1, another model"
                    " answers under the old name.",
                ),
                RATIO,
                Query(f"inference_embedding_similarity{{{TARGETS}}}", "{{probe}}"),
                width=5,
            ),
            over_time(
                Text("Dimensions", "Length of the vectors."),
                COUNT,
                Query(f"inference_embedding_dimensions{{{TARGETS}}}", "{{probe}}"),
                width=4,
            ),
            over_time(
                Text("Orders", "Documents that were reranked, in the right order or in another."),
                COUNT,
                Query(total("inference_rankings_total", TARGETS, "outcome"), "{{outcome}}"),
                width=5,
                stacked=True,
            ),
            over_time(
                Text("Items per second", "Texts embedded or documents ranked, over the request."),
                COUNT,
                Query(f"inference_items_per_second{{{TARGETS}}}", "{{probe}}"),
                width=5,
            ),
            over_time(
                Text("Request", "The exact duration of each successful probe."),
                SECONDS,
                Query(
                    f"inference_last_probe_request_duration_seconds{{{TARGETS}}} > 0"
                    f" and inference_items_per_second{{{TARGETS}}}",
                    "{{probe}}",
                ),
                width=5,
                dots=True,
            ),
        ],
    )


def behaviour() -> Section:
    """Whether the model still behaves as before."""
    return Section(
        "Behaviour",
        [
            over_time(
                Text(
                    "Usual answers",
                    "Share of the fixed prompts whose latest answer is the usual one.",
                ),
                RATIO,
                Query(f"inference_fingerprint_agreement_ratio{{{TARGETS}}}", "{{probe}}"),
                width=8,
            ),
            over_time(
                Text(
                    "Distance of the first token",
                    "How far the probabilities of the first token are from the usual ones."
                    " Empty if the provider doesn't return them.",
                ),
                COUNT,
                Query(f"inference_fingerprint_distance{{{TARGETS}}}", "{{probe}}"),
                width=8,
            ),
            over_time(
                Text(
                    "Evidence of a change",
                    "At 11, a change is counted, and the exporter learns the new behavior."
                    " Chance alone reaches 11 at most once in 60,000 answers.",
                ),
                COUNT,
                Query(f"inference_fingerprint_evidence{{{TARGETS}}}", "{{probe}}"),
                width=8,
            ),
        ],
    )


def prompt_cache() -> Section:
    """The effect of the provider's prompt cache."""
    times = f"inference_cached_prefix_time_to_first_token_seconds{{{TARGETS}}}"
    return Section(
        "Prompt cache",
        [
            over_time(
                Text(
                    "Prompt from the cache",
                    "Share of the repeated long prompt that the provider reports as cached."
                    " 0 if the cache doesn't work.",
                ),
                RATIO,
                Query(f"inference_cached_prefix_input_ratio{{{TARGETS}}}", "{{probe}}"),
                width=8,
            ),
            over_time(
                Text("First token, cold and cached", "For the same long prompt."),
                SECONDS,
                Query(times, "{{cache}} {{probe}}"),
                width=8,
            ),
            over_time(
                Text("Saved", "How much less the repeated prompt cost."),
                USD,
                Query(f"inference_cached_prefix_saved_usd{{{TARGETS}}}", "{{probe}}"),
                width=8,
            ),
        ],
    )


def tool_calls() -> Section:
    """Whether the model calls the tools that the request offers."""
    calls = f"sum without (outcome) (inference_tool_calls_total{{{TARGETS}}})"
    right = total("inference_tool_calls_total", f'{TARGETS},outcome="right"', "probe", WINDOW)
    every = total("inference_tool_calls_total", TARGETS, "probe", WINDOW)
    return Section(
        "Tool calls",
        [
            over_time(
                Text(
                    "Calls",
                    "Right; missing: the model answered without a tool call; wrong: it"
                    " called another tool, or with other arguments.",
                ),
                COUNT,
                Query(total("inference_tool_calls_total", TARGETS, "outcome"), "{{outcome}}"),
                width=8,
                stacked=True,
            ),
            over_time(
                Text("Right calls", "Share of the answers that call the tool as they should."),
                RATIO,
                Query(f"{right} / {every} >= 0", "{{probe}}"),
                width=8,
            ),
            over_time(
                Text(
                    "First token of a call",
                    "For each successful probe. Some providers send a call in one piece, so"
                    " its first token arrives when the call is complete.",
                ),
                SECONDS,
                Query(
                    f"inference_last_probe_time_to_first_token_seconds{{{TARGETS}}} > 0"
                    f" and {calls}",
                    "{{probe}}",
                ),
                width=8,
                dots=True,
            ),
        ],
    )


def model_list() -> Section:
    """Checks that cost no tokens: the provider responds, accepts the key and has the model."""
    listed = f"inference_model_listed{{{TARGETS}}}"
    reasons = f"increase(inference_probe_failures_total{{{TARGETS}}}[{STEP}])"
    return Section(
        "Model list",
        [
            over_time(
                Text(
                    "Listed", "1 if the provider has the model, 0 if its answer doesn't contain it."
                ),
                COUNT,
                Query(listed, "{{probe}}"),
                width=8,
            ),
            over_time(
                Text("Answer", "The exact duration of each successful request for the list."),
                SECONDS,
                Query(
                    f"inference_last_probe_request_duration_seconds{{{TARGETS}}} > 0 and {listed}",
                    "{{probe}}",
                ),
                width=8,
                dots=True,
            ),
            over_time(
                Text("Why it failed", "Failed requests for the list, by reason."),
                COUNT,
                Query(
                    f"sum by (reason) ({reasons} and ignoring (reason) {listed}) > 0",
                    "{{reason}}",
                ),
                width=8,
                stacked=True,
                empty="no failures",
            ),
        ],
    )
