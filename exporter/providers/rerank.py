"""Reranking of documents, in each provider's format.

Sources: the API references of Cohere ("Rerank", v2), Jina AI ("Reranker"), Alibaba Cloud Model
Studio ("Text reranking"), and Amazon Bedrock ("Cohere Rerank"). vLLM's server uses Jina's format.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, FiniteFloat

from exporter.providers import bedrock, dashscope
from exporter.providers.asks import Ranking, RerankAsk
from exporter.providers.base import (
    Call,
    Event,
    HttpRequest,
    ModelServed,
    Replied,
    RequestIdentified,
    UsageReported,
)
from exporter.providers.error_body import Text
from exporter.providers.openai import OpenAI
from exporter.providers.presets import COMPATIBLE, Preset
from exporter.providers.whole import InOnePiece, bearer
from exporter.providers.wire import Count, IfObject, LenientCount, Wire, count, merged, read
from exporter.result import Usage

_MAX_DOCUMENTS = 1_000


class _Result(Wire):
    index: Count
    relevance_score: FiniteFloat


Results = Annotated[list[_Result], Field(max_length=_MAX_DOCUMENTS, fail_fast=True)]


class _Usage(Wire):
    total_tokens: LenientCount | None = None


class _Output(Wire):
    results: Results


class _Body(Wire):
    """ranking"""

    id: Text = None
    request_id: Text = None  # DashScope
    model: Text = None
    results: Results | None = None
    output: _Output | None = None  # DashScope
    usage: IfObject[_Usage] = None

    def events(self) -> Iterator[Event]:
        if identity := self.id or self.request_id:
            yield RequestIdentified(identity)
        if self.model:
            yield ModelServed(self.model)
        results = self.output.results if self.output else self.results or []
        best_first = sorted(results, key=lambda result: -result.relevance_score)
        yield Replied(Ranking(tuple(result.index for result in best_first)))
        if self.usage and self.usage.total_tokens is not None:
            yield UsageReported(Usage(input=count(self.usage.total_tokens), output=0))


class OpenAIRerank(InOnePiece[RerankAsk]):
    """Cohere's and Jina's format, on OpenAI-compatible servers: vLLM, SGLang, llama.cpp, LiteLLM,
    Together."""

    def __init__(self, preset: Preset = COMPATIBLE) -> None:
        super().__init__(OpenAI(preset))

    def request(self, call: Call[RerankAsk]) -> HttpRequest:
        body = {
            "model": call.model,
            "query": call.ask.query,
            "documents": call.ask.documents,
            "top_n": len(call.ask.documents),
        }
        return HttpRequest(
            "POST",
            f"{call.base_url}/rerank",
            {"content-type": "application/json", **bearer(call)},
            json.dumps(merged(body, call.extra_body)).encode(),
        )

    def events(self, body: bytearray) -> Iterator[Event]:
        return read(_Body, body).events()


class DashScopeRerank(InOnePiece[RerankAsk]):
    """Reranking in Alibaba Cloud Model Studio's own protocol."""

    def __init__(self) -> None:
        super().__init__(dashscope.DashScope())

    def request(self, call: Call[RerankAsk]) -> HttpRequest:
        body = {
            "model": call.model,
            "input": {"query": call.ask.query, "documents": call.ask.documents},
            "parameters": {"return_documents": False, "top_n": len(call.ask.documents)},
        }
        return HttpRequest(
            "POST",
            f"{call.base_url}/services/rerank/text-rerank/text-rerank",
            {"content-type": "application/json", **bearer(call)},
            json.dumps(merged(body, call.extra_body)).encode(),
        )

    def events(self, body: bytearray) -> Iterator[Event]:
        return read(_Body, body).events()


class BedrockRerank(InOnePiece[RerankAsk]):
    """InvokeModel in the format of Cohere's models. Amazon's model takes it without the version."""

    def __init__(self) -> None:
        super().__init__(bedrock.Bedrock())

    def request(self, call: Call[RerankAsk]) -> HttpRequest:
        body: dict[str, object] = {
            "query": call.ask.query,
            "documents": call.ask.documents,
            "top_n": len(call.ask.documents),
            "api_version": 2 if "cohere." in call.model else None,
        }
        return bedrock.signed(call, "invoke", body)

    def events(self, body: bytearray) -> Iterator[Event]:
        return read(_Body, body).events()
