"""Embeddings of texts, in each provider's format.

Sources: the API references of OpenAI ("Create embeddings"), Azure, the Gemini API
("batchEmbedContents"), Amazon Bedrock ("Titan Text Embeddings", "Cohere Embed"), Alibaba Cloud
Model Studio ("Text embedding"), and Ollama ("Generate embeddings").
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

from pydantic import Field

from exporter.providers import azure, bedrock, dashscope, gemini
from exporter.providers.asks import EmbeddingsAsk, Vectors
from exporter.providers.base import (
    Call,
    Event,
    HttpRequest,
    ModelLoaded,
    ModelServed,
    Replied,
    RequestIdentified,
    UsageReported,
)
from exporter.providers.error_body import Text
from exporter.providers.ollama import Ollama
from exporter.providers.openai import OpenAI
from exporter.providers.presets import COMPATIBLE, Preset
from exporter.providers.vectors import MAX_NUMBERS, OfEachText, Vector
from exporter.providers.whole import InOnePiece, bearer
from exporter.providers.wire import CamelWire, IfObject, LenientCount, Wire, count, merged, read
from exporter.result import NANOSECONDS, Usage


class _Embeddings(InOnePiece[EmbeddingsAsk]):
    """A dialect that posts a JSON object."""

    max_parts = MAX_NUMBERS

    @abstractmethod
    def body(self, call: Call[EmbeddingsAsk]) -> dict[str, object]:
        """Return the request body. Fields that are ``None`` are omitted."""

    def posted(
        self, call: Call[EmbeddingsAsk], url: str, headers: Mapping[str, str]
    ) -> HttpRequest:
        body = json.dumps(merged(self.body(call), call.extra_body)).encode()
        return HttpRequest("POST", url, {"content-type": "application/json", **headers}, body)


def _replied(vectors: Iterable[Vector]) -> Replied:
    return Replied(Vectors(tuple(vectors)))


class _Usage(Wire):
    prompt_tokens: LenientCount | None = None
    total_tokens: LenientCount | None = None  # DashScope has only this one

    def events(self) -> Iterator[UsageReported]:
        return _read(self.prompt_tokens or self.total_tokens)


def _read(tokens: int | None) -> Iterator[UsageReported]:
    """Yield the input tokens, if reported. Embeddings generate no output tokens."""
    if tokens is not None:
        yield UsageReported(Usage(input=count(tokens), output=0))


class _Item(Wire):
    index: LenientCount | None = None  # null in some gateways
    embedding: Vector


class _OpenAIBody(Wire):
    """list of embeddings"""

    id: Text = None  # vLLM
    model: Text = None
    data: OfEachText[_Item]
    usage: IfObject[_Usage] = None

    def events(self) -> Iterator[Event]:
        if self.id:
            yield RequestIdentified(self.id)
        if self.model:
            yield ModelServed(self.model)
        yield _replied(item.embedding for item in sorted(self.data, key=lambda it: it.index or 0))
        yield from self.usage.events() if self.usage else ()


class OpenAIEmbeddings(_Embeddings):
    """OpenAI's embeddings, which many servers support."""

    def __init__(self, preset: Preset = COMPATIBLE) -> None:
        super().__init__(OpenAI(preset))

    def request(self, call: Call[EmbeddingsAsk]) -> HttpRequest:
        return self.posted(call, f"{call.base_url}/embeddings", bearer(call))

    def body(self, call: Call[EmbeddingsAsk]) -> dict[str, object]:
        return {
            "model": call.model,
            "input": call.ask.texts,
            "encoding_format": "float",
            "dimensions": call.ask.dimensions,
        }

    def events(self, body: bytearray) -> Iterator[Event]:
        return read(_OpenAIBody, body).events()


class AzureEmbeddings(OpenAIEmbeddings):
    """OpenAI's embeddings behind Microsoft's gateway."""

    def __init__(self) -> None:
        InOnePiece.__init__(self, azure.Azure())

    def request(self, call: Call[EmbeddingsAsk]) -> HttpRequest:
        return self.posted(call, azure.url(call, "embeddings"), azure.authorization(call))


class _GeminiEmbedding(CamelWire):
    values: Vector


class _GeminiUsage(CamelWire):
    prompt_token_count: LenientCount | None = None


class _GeminiBody(CamelWire):
    """batch of embeddings"""

    embeddings: OfEachText[_GeminiEmbedding]
    usage_metadata: _GeminiUsage | None = None


class GeminiEmbeddings(_Embeddings):
    """Gemini's embeddings: one request per text, all in one batch."""

    def __init__(self) -> None:
        super().__init__(gemini.Gemini())

    def request(self, call: Call[EmbeddingsAsk]) -> HttpRequest:
        key = {"x-goog-api-key": call.api_key} if call.api_key else {}
        return self.posted(call, f"{gemini.resource_url(call)}:batchEmbedContents", key)

    def body(self, call: Call[EmbeddingsAsk]) -> dict[str, object]:
        model = call.model if "/" in call.model else f"models/{call.model}"
        dimensions = call.ask.dimensions
        choice = {"outputDimensionality": dimensions} if dimensions else {}
        return {
            "requests": [
                {"model": model, "content": {"parts": [{"text": text}]}, **choice}
                for text in call.ask.texts
            ]
        }

    def events(self, body: bytearray) -> Iterator[Event]:
        batch = read(_GeminiBody, body)
        yield _replied(embedding.values for embedding in batch.embeddings)
        usage = batch.usage_metadata or _GeminiUsage()
        yield from _read(usage.prompt_token_count)


class _ByType(Wire):
    # The request asks for floats, because vectors of bytes or bits have another length.
    vectors: Annotated[OfEachText[Vector], Field(alias="float")]


class _BedrockBody(Wire):
    """Bedrock embedding"""

    embedding: Vector | None = None  # Titan
    input_token_count: LenientCount | None = Field(default=None, alias="inputTextTokenCount")
    embeddings: _ByType | OfEachText[Vector] | None = None

    @property
    def replied(self) -> Replied:
        match self.embeddings:
            case _ByType(vectors=vectors):
                return _replied(vectors)
            case list(vectors):
                return _replied(vectors)
        return Replied(Vectors((self.embedding,) if self.embedding else (), takes_one_text=True))


class BedrockEmbeddings(_Embeddings):
    """InvokeModel, whose body depends on the model.

    Amazon's Titan takes one text, so it gets only the first. Cohere's models take all texts.
    """

    def __init__(self) -> None:
        super().__init__(bedrock.Bedrock())

    def request(self, call: Call[EmbeddingsAsk]) -> HttpRequest:
        return bedrock.signed(call, "invoke", self.body(call))

    def body(self, call: Call[EmbeddingsAsk]) -> dict[str, object]:
        ask = call.ask
        if "cohere." not in call.model:
            return {"inputText": ask.texts[0], "dimensions": ask.dimensions}
        return {
            "texts": ask.texts,
            "input_type": "search_document",
            "embedding_types": ["float"],
            "output_dimension": ask.dimensions,
        }

    def events(self, body: bytearray) -> Iterator[Event]:
        answer = read(_BedrockBody, body)
        yield answer.replied
        yield from _read(answer.input_token_count)


class _DashScopeItem(Wire):
    text_index: LenientCount | None = None
    embedding: Vector


class _DashScopeOutput(Wire):
    embeddings: OfEachText[_DashScopeItem]


class _DashScopeBody(Wire):
    """DashScope embeddings"""

    output: _DashScopeOutput
    usage: IfObject[_Usage] = None
    request_id: Text = None


class DashScopeEmbeddings(_Embeddings):
    """Embeddings in Alibaba Cloud Model Studio's own protocol."""

    def __init__(self) -> None:
        super().__init__(dashscope.DashScope())

    def request(self, call: Call[EmbeddingsAsk]) -> HttpRequest:
        path = "/services/embeddings/text-embedding/text-embedding"
        return self.posted(call, f"{call.base_url}{path}", bearer(call))

    def body(self, call: Call[EmbeddingsAsk]) -> dict[str, object]:
        return {
            "model": call.model,
            "input": {"texts": call.ask.texts},
            "parameters": {"dimension": call.ask.dimensions} if call.ask.dimensions else None,
        }

    def events(self, body: bytearray) -> Iterator[Event]:
        answer = read(_DashScopeBody, body)
        if answer.request_id:
            yield RequestIdentified(answer.request_id)
        items = sorted(answer.output.embeddings, key=lambda item: item.text_index or 0)
        yield _replied(item.embedding for item in items)
        yield from answer.usage.events() if answer.usage else ()


class _OllamaBody(Wire):
    """embed response"""

    model: Text = None
    embeddings: OfEachText[Vector]
    load_duration: LenientCount | None = None
    prompt_eval_count: LenientCount | None = None


class OllamaEmbeddings(_Embeddings):
    """Embeddings in Ollama's own API."""

    def __init__(self) -> None:
        super().__init__(Ollama())

    def request(self, call: Call[EmbeddingsAsk]) -> HttpRequest:
        return self.posted(call, f"{call.base_url}/api/embed", bearer(call))

    def body(self, call: Call[EmbeddingsAsk]) -> dict[str, object]:
        return {
            "model": call.model,
            "input": call.ask.texts,
            "dimensions": call.ask.dimensions,
        }

    def events(self, body: bytearray) -> Iterator[Event]:
        answer = read(_OllamaBody, body)
        if answer.model:
            yield ModelServed(answer.model)
        yield _replied(answer.embeddings)
        yield from _read(answer.prompt_eval_count)
        if answer.load_duration is not None:
            yield ModelLoaded(count(answer.load_duration) / NANOSECONDS)
