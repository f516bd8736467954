"""Requests for greedy answers, and the probabilities of their first tokens.

Sources: the API references of OpenAI, Google (responseLogprobs), Alibaba Cloud, and Ollama.
Compatible servers follow OpenAI's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from exporter.providers.asks import ChatAsk
from exporter.providers.base import Likelihoods

TOP = 5
_MOST_TOKENS = 2 * TOP
_MOST_CHARACTERS = 64
"""The most characters of one token, because tokens are stored for a long time."""

Fields = dict[str, object]
"""What a greedy request adds to the body. Empty for other requests."""


def openai_greedy(ask: ChatAsk, *, tells: bool = False) -> Fields:
    """Return the fields for Chat Completions, for DashScope's parameters, and for Ollama.

    :param tells: whether the server is known to report token probabilities.
    """
    if not ask.greedy:
        return {}
    logprobs: Fields = {"logprobs": True, "top_logprobs": TOP} if _wanted(ask, tells) else {}
    return {"temperature": 0, **logprobs}


def ollama_greedy(ask: ChatAsk) -> tuple[Fields, Fields]:
    """Return the fields for the body and those for its ``options``."""
    fields = openai_greedy(ask, tells=True)
    options = {"temperature": fields.pop("temperature"), "seed": 0} if fields else {}
    return fields, options


def responses_greedy(ask: ChatAsk) -> Fields:
    if not ask.greedy:
        return {}
    logprobs: Fields = {"include": ["message.output_text.logprobs"], "top_logprobs": TOP}
    return {"temperature": 0, **(logprobs if ask.logprobs else {})}


def gemini_greedy(ask: ChatAsk) -> Fields:
    if not ask.greedy:
        return {}
    return {
        "temperature": 0,
        **({"responseLogprobs": True, "logprobs": TOP} if ask.logprobs else {}),
    }


def _wanted(ask: ChatAsk, tells: bool) -> bool:
    return tells if ask.logprobs is None else ask.logprobs


def likelihoods(logprobs: object) -> Iterator[Likelihoods]:
    """Yield the likeliest first tokens in OpenAI's format.

    The format is a list of tokens, each with its alternatives. Other formats are ignored.
    """
    first = logprobs[0] if isinstance(logprobs, list) and logprobs else None
    if not isinstance(first, dict):
        return
    others = first.get("top_logprobs")
    candidates = others[:_MOST_TOKENS] if isinstance(others, list) and others else [first]
    if tokens := dict(filter(None, (_token(one, "logprob") for one in candidates))):
        yield Likelihoods(tuple(tokens.items()))


def gemini_likelihoods(result: object) -> Iterator[Likelihoods]:
    """Yield the likeliest first tokens in Google's format."""
    steps = result.get("topCandidates") if isinstance(result, dict) else None
    first = steps[0] if isinstance(steps, list) and steps else None
    others = first.get("candidates") if isinstance(first, dict) else None
    candidates = others[:_MOST_TOKENS] if isinstance(others, list) else []
    if tokens := dict(filter(None, (_token(one, "logProbability") for one in candidates))):
        yield Likelihoods(tuple(tokens.items()))


def _token(candidate: object, name: str) -> tuple[str, float] | None:
    if not isinstance(candidate, dict):
        return None
    token, logarithm = candidate.get("token"), candidate.get(name)
    if not isinstance(token, str) or not isinstance(logarithm, int | float):
        return None
    return token[:_MOST_CHARACTERS], math.exp(min(0.0, logarithm))
