"""Target detail: what only some kinds of probes measure."""

from __future__ import annotations

from dashboards.frame import TARGETS, Section
from dashboards.panels import COUNT, RATIO, SECONDS, Query, Text, over_time


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
                width=6,
            ),
            over_time(
                Text("Dimensions", "How long the vectors are."),
                COUNT,
                Query(f"inference_embedding_dimensions{{{TARGETS}}}", "{{probe}}"),
                width=6,
            ),
            over_time(
                Text("Items per second", "Texts embedded or documents ranked, over the request."),
                COUNT,
                Query(f"inference_items_per_second{{{TARGETS}}}", "{{probe}}"),
                width=6,
            ),
            over_time(
                Text("Request", "The exact duration of each successful probe."),
                SECONDS,
                Query(
                    f"inference_last_probe_request_duration_seconds{{{TARGETS}}} > 0"
                    f" and inference_items_per_second{{{TARGETS}}}",
                    "{{probe}}",
                ),
                width=6,
                dots=True,
            ),
        ],
    )
