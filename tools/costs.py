"""Computes the cost of a probe of each kind with default settings."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from exporter.budget.forecast import CHARACTERS_PER_TOKEN, DAY_SECONDS
from exporter.kinds import KINDS, Kind, Probe
from exporter.kinds.chat import DEFAULT_PROBES

_USD_IN, _USD_OUT = 0.25, 2.0
"""Per million tokens: a small hosted model in November 2026."""
_INTERVALS: dict[Kind, tuple[int, str]] = {
    Kind.CHAT: (60, "minute"),
    Kind.CACHED_PREFIX: (3600, "hour"),
    Kind.MODELS: (60, "minute"),
    Kind.EMBEDDINGS: (300, "5 minutes"),
    Kind.RERANK: (300, "5 minutes"),
    Kind.FINGERPRINT: (300, "5 minutes"),
}


def costs() -> Iterator[str]:
    """Yield the table, one row per kind."""
    price = f"{_USD_IN:.2f} and {_USD_OUT:.2f} USD per million tokens"
    yield f"| kind | tokens in | tokens out, at most | asked every | USD a day at {price} |\n"
    yield "|---|---|---|---|---|\n"
    for kind in KINDS:
        seconds, words = _INTERVALS[kind]
        tokens_in, tokens_out = _tokens(_default(kind))
        usd = DAY_SECONDS / seconds * (tokens_in * _USD_IN + tokens_out * _USD_OUT) / 1e6
        yield f"| `{kind}` | {tokens_in:,} | {tokens_out:,} | {words} | {usd:.3f} |\n"


def _default(kind: Kind) -> Probe:
    return DEFAULT_PROBES["short"] if kind is Kind.CHAT else KINDS[kind](kind=kind)


def _tokens(probe: Probe) -> tuple[int, int]:
    size = probe.size
    if size is None:
        return 0, 0
    return ceil(size.input_characters / CHARACTERS_PER_TOKEN), size.output_tokens
