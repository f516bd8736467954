"""Simulated embeddings: each text has its own vector, which depends on the model."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from urllib.parse import unquote

from exporter.providers.wire import CamelWire, Wire
from exporter.simulator.azure import AzureHandler
from exporter.simulator.bedrock import BedrockHandler
from exporter.simulator.dashscope import DashScopeHandler
from exporter.simulator.gemini import GeminiHandler
from exporter.simulator.handler import (
    Facts,
    Handler,
    InOnePiece,
    Request,
    WholeQuestion,
    read_body,
)
from exporter.simulator.ollama import OllamaHandler
from exporter.simulator.openai import OpenAIHandler
from exporter.simulator.whole import answered, asks, tokens_of

_GEMINI_PATH = re.compile(r"(?:/.*)?/(?:v1|v1beta)/models/([^/]+):batchEmbedContents")
_BEDROCK_PATH = re.compile(r"/model/([^/]+)/invoke")


def vector(facts: Facts, text: str, dimensions: int | None = None) -> list[float]:
    """Return this model's vector for a text."""
    random = Random(f"{facts.served_model}/{text}")
    return [round(random.gauss(), 6) for _ in range(dimensions or facts.dimensions)]


class _OpenAIBody(Wire):
    """embeddings request"""

    model: str
    input: str | list[str]
    dimensions: int | None = None

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input


def _openai(request: Request) -> WholeQuestion:
    asked = read_body(_OpenAIBody, request)
    tokens = tokens_of(asked.texts)

    def body(facts: Facts) -> object:
        return {
            "object": "list",
            "model": facts.served_model,
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": vector(facts, text, asked.dimensions),
                }
                for index, text in enumerate(asked.texts)
            ],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    return answered(asked.model, asked.texts, body)


class _Part(Wire):
    text: str


class _Content(Wire):
    parts: list[_Part]


class _GeminiRequest(CamelWire):
    content: _Content
    output_dimensionality: int | None = None

    @property
    def text(self) -> str:
        return " ".join(part.text for part in self.content.parts)


class _GeminiBody(CamelWire):
    """batch of embeddings requests"""

    requests: list[_GeminiRequest]


def _gemini(request: Request) -> WholeQuestion:
    asked, match = read_body(_GeminiBody, request), _GEMINI_PATH.fullmatch(request.path)

    def body(facts: Facts) -> object:
        return {
            "embeddings": [
                {"values": vector(facts, one.text, one.output_dimensionality)}
                for one in asked.requests
            ]
        }

    return answered(unquote(match[1]) if match else "", [r.text for r in asked.requests], body)


class _BedrockBody(Wire):
    """embeddings request"""

    input_text: str | None = None
    texts: list[str] | None = None
    dimensions: int | None = None
    output_dimension: int | None = None


class _TitanBody(CamelWire, _BedrockBody):
    """Titan embeddings request"""


def _bedrock(request: Request) -> WholeQuestion:
    match = _BEDROCK_PATH.fullmatch(request.path)
    model = unquote(match[1]) if match else ""
    if "cohere." in model:
        return _cohere(model, read_body(_BedrockBody, request))
    asked = read_body(_TitanBody, request)
    text = asked.input_text or ""

    def body(facts: Facts) -> object:
        numbers = vector(facts, text, asked.dimensions)
        return {"embedding": numbers, "inputTextTokenCount": tokens_of([text])}

    return answered(model, [text], body)


def _cohere(model: str, asked: _BedrockBody) -> WholeQuestion:
    texts = asked.texts or []

    def body(facts: Facts) -> object:
        vectors = [vector(facts, text, asked.output_dimension) for text in texts]
        return {
            "id": str(facts.number),
            "response_type": "embeddings_by_type",
            "embeddings": {"float": vectors},
            "texts": texts,
        }

    return answered(model, texts, body)


class _Input(Wire):
    texts: list[str]


class _Parameters(Wire):
    dimension: int | None = None


class _DashScopeBody(Wire):
    """embeddings request"""

    model: str
    input: _Input
    parameters: _Parameters = _Parameters()


def _dashscope(request: Request) -> WholeQuestion:
    asked = read_body(_DashScopeBody, request)
    texts = asked.input.texts

    def body(facts: Facts) -> object:
        return {
            "request_id": f"req-{facts.number}",
            "output": {
                "embeddings": [
                    {
                        "text_index": index,
                        "embedding": vector(facts, text, asked.parameters.dimension),
                    }
                    for index, text in enumerate(texts)
                ]
            },
            "usage": {"total_tokens": tokens_of(texts)},
        }

    return answered(asked.model, texts, body)


def _ollama(request: Request) -> WholeQuestion:
    asked = read_body(_OpenAIBody, request)

    def body(facts: Facts) -> object:
        return {
            "model": facts.served_model,
            "embeddings": [vector(facts, text, asked.dimensions) for text in asked.texts],
            "total_duration": 14_000_000,
            "load_duration": round(facts.load_seconds * 1e9) + 1_000_000,
            "prompt_eval_count": tokens_of(asked.texts),
        }

    return answered(asked.model, asked.texts, body)


def _embedder(
    general: Handler, pattern: str, read: Callable[[Request], WholeQuestion], *headers: str
) -> Handler:
    return InOnePiece(general, asks("POST", pattern, *headers), read)


EMBEDDERS: tuple[Handler, ...] = (
    _embedder(AzureHandler(), ".*/embeddings", _openai, "api-key"),
    _embedder(OpenAIHandler(), ".*/embeddings", _openai),
    _embedder(GeminiHandler(), _GEMINI_PATH.pattern, _gemini),
    _embedder(BedrockHandler(), "/model/(?!.*rerank)[^/]+/invoke", _bedrock),
    _embedder(
        DashScopeHandler(), ".*/services/embeddings/text-embedding/text-embedding", _dashscope
    ),
    _embedder(OllamaHandler(), ".*/api/embed", _ollama),
)
