"""Simulated reranking: the relevance of a document is the number of query words in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote

from exporter.providers.wire import Wire
from exporter.simulator.bedrock import BedrockHandler
from exporter.simulator.dashscope import DashScopeHandler
from exporter.simulator.handler import (
    Facts,
    Handler,
    InOnePiece,
    Request,
    WholeQuestion,
    read_body,
)
from exporter.simulator.openai import OpenAIHandler
from exporter.simulator.whole import answered, asks, tokens_of

_BEDROCK_PATH = re.compile(r"/model/([^/]*rerank[^/]*)/invoke")


def results(query: str, documents: Sequence[str]) -> list[dict[str, Any]]:
    """Return the positions and scores of the documents, best first."""
    words = {*re.findall(r"\w+", query.lower())}
    scores = [len(words & {*re.findall(r"\w+", text.lower())}) / len(words) for text in documents]
    best_first = sorted(range(len(documents)), key=lambda index: -scores[index])
    return [{"index": index, "relevance_score": scores[index]} for index in best_first]


class _Body(Wire):
    """rerank request"""

    model: str = ""
    query: str
    documents: list[str]


class _DashScopeBody(Wire):
    """rerank request"""

    model: str
    input: _Body


def _openai(request: Request) -> WholeQuestion:
    asked = read_body(_Body, request)
    texts = [asked.query, *asked.documents]

    def body(facts: Facts) -> object:
        tokens = tokens_of(texts)
        return {
            "id": f"rerank-{facts.number}",
            "model": facts.served_model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            "results": results(asked.query, asked.documents),
            "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
        }

    return answered(asked.model, texts, body)


def _dashscope(request: Request) -> WholeQuestion:
    asked = read_body(_DashScopeBody, request)
    texts = [asked.input.query, *asked.input.documents]

    def body(facts: Facts) -> object:
        return {
            "request_id": f"req-{facts.number}",
            "output": {"results": results(asked.input.query, asked.input.documents)},
            "usage": {"total_tokens": tokens_of(texts)},
        }

    return answered(asked.model, texts, body)


def _bedrock(request: Request) -> WholeQuestion:
    asked, match = read_body(_Body, request), _BEDROCK_PATH.fullmatch(request.path)
    model = unquote(match[1]) if match else ""
    texts = [asked.query, *asked.documents]
    return answered(model, texts, lambda _: {"results": results(asked.query, asked.documents)})


def _reranker(general: Handler, pattern: str, read: Callable[[Request], WholeQuestion]) -> Handler:
    return InOnePiece(general, asks("POST", pattern), read)


RERANKERS: tuple[Handler, ...] = (
    _reranker(OpenAIHandler(), ".*/rerank", _openai),
    _reranker(DashScopeHandler(), ".*/services/rerank/text-rerank/text-rerank", _dashscope),
    _reranker(BedrockHandler(), _BEDROCK_PATH.pattern, _bedrock),
)
