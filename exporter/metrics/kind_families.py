"""The metrics that only one kind of probe has, each declared once."""

from __future__ import annotations

from exporter.kinds import Kind
from exporter.metrics import possible, takes
from exporter.metrics.family import ANY, Families

KIND_FAMILIES = Families()

CACHED_PREFIX_FIRST_TOKEN = KIND_FAMILIES.gauge(
    "inference_cached_prefix_time_to_first_token_seconds",
    "Time to first token of a long prompt without the cache (cold), and of the same prompt"
    " sent again (cached), in the latest successful probe.",
    takes.prefix_times,
    cache=ANY,
)
CACHED_INPUT_RATIO = KIND_FAMILIES.gauge(
    "inference_cached_prefix_input_ratio",
    "Share of the repeated prompt that the provider reports as cached; 0: the cache did not work.",
    takes.one(lambda o: o.result.measures.cached_input_ratio),
)
CACHED_PREFIX_SAVED = KIND_FAMILIES.gauge(
    "inference_cached_prefix_saved_usd",
    "How much less the repeated prompt cost, at current prices.",
    takes.one(takes.prefix_saved_usd),
)
FINGERPRINT_AGREEMENT = KIND_FAMILIES.gauge(
    "inference_fingerprint_agreement_ratio",
    "Share of the fixed prompts whose latest answer is the usual one.",
)
FINGERPRINT_DISTANCE = KIND_FAMILIES.gauge(
    "inference_fingerprint_distance",
    "Distance (Hellinger) between the probabilities of the first token and the usual ones,"
    " averaged over the fixed prompts: 0 if they are the same, at most 1.",
)
FINGERPRINT_EVIDENCE = KIND_FAMILIES.gauge(
    "inference_fingerprint_evidence",
    "How strongly the latest answers to the fixed prompts show that the model behaves"
    " differently: from 0 to 11, which chance alone reaches at most once in 60,000 answers.",
)
FINGERPRINT_CHANGES = KIND_FAMILIES.counter(
    "inference_fingerprint_changes_total",
    "How often the answers to the fixed prompts showed that the model behaves differently.",
    possible=possible.of_kind(Kind.FINGERPRINT),
)
MODEL_LISTED = KIND_FAMILIES.gauge(
    "inference_model_listed",
    "Whether the provider had the model in the latest probe of kind models; a failure that"
    " says nothing about the model keeps the value.",
    takes.one(takes.model_listed),
)
TOOL_CALLS = KIND_FAMILIES.counter(
    "inference_tool_calls_total",
    "Answers of a model that was offered tools: right; missing: it called none; wrong: it"
    " called another one, or with other arguments.",
    takes.tool_calls,
    possible=possible.with_tools,
    outcome=takes.TOOL_CALL_OUTCOMES,
)
RANKINGS = KIND_FAMILIES.counter(
    "inference_rankings_total",
    "Rankings of documents: right; wrong: a document is missing, or the order is not the"
    " expected one.",
    takes.rankings,
    possible=possible.of_kind(Kind.RERANK),
    outcome=takes.RANKING_OUTCOMES,
)
ITEMS_PER_SECOND = KIND_FAMILIES.gauge(
    "inference_items_per_second",
    "Texts embedded or documents ranked per second in the latest successful probe.",
    takes.timed(lambda o: o.result.items_per_second),
)
EMBEDDING_DIMENSIONS = KIND_FAMILIES.gauge(
    "inference_embedding_dimensions",
    "Length of the vectors in the latest successful probe.",
    takes.one(lambda o: o.result.measures.dimensions),
)
EMBEDDING_SIMILARITY = KIND_FAMILIES.gauge(
    "inference_embedding_similarity",
    "Cosine similarity of the same text's vector in the latest successful probe and in the"
    " first one that the exporter remembers; well below 1: another model answers.",
)
