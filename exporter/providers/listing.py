"""Which models there are, asked of each provider in its own words, for no token.

Sources: the API references of OpenAI ("List models"), Anthropic ("Get a model"), the Gemini API
("models.get") and Ollama ("List models").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, model_validator

from exporter.providers.anthropic import VERSIONS, Anthropic, authorization
from exporter.providers.asks import ModelFound, ModelList, ModelsAsk
from exporter.providers.base import Call, Event, HttpRequest, ModelServed, Replied
from exporter.providers.gemini import Gemini, resource_url
from exporter.providers.ollama import Ollama
from exporter.providers.openai import OpenAI
from exporter.providers.presets import COMPATIBLE, Preset
from exporter.providers.whole import InOnePiece, bearer
from exporter.providers.wire import Wire, parse

_MAX_MODELS = 20_000


class _Named(Wire):
    id: str


class _IdList(Wire):
    """list of models"""

    data: Annotated[list[_Named], Field(max_length=_MAX_MODELS)]

    @model_validator(mode="before")
    @classmethod
    def _wrapped(cls, value: object) -> object:
        """Together sends the list alone."""
        return {"data": value} if isinstance(value, list) else value


class OpenAIModels(InOnePiece[ModelsAsk]):
    """OpenAI's list, which nearly every compatible server has too."""

    def __init__(self, preset: Preset = COMPATIBLE) -> None:
        super().__init__(OpenAI(preset))

    def request(self, call: Call[ModelsAsk]) -> HttpRequest:
        return HttpRequest("GET", f"{call.base_url}/models", bearer(call), b"")

    def events(self, body: bytes) -> Iterator[Event]:
        ids = {model.id for model in parse(_IdList, body).data}
        # Google's compatible endpoint lists models/NAME and answers to NAME.
        names = ids | {name.removeprefix("models/") for name in ids}
        yield Replied(ModelList(frozenset(names)))


class AnthropicModels(InOnePiece[ModelsAsk]):
    """The model is asked for by name: the list has no aliases."""

    def __init__(self) -> None:
        super().__init__(Anthropic())

    def request(self, call: Call[ModelsAsk]) -> HttpRequest:
        version = call.api_version or VERSIONS[-1]
        headers = {"anthropic-version": version, **authorization(call.api_key, version)}
        return HttpRequest("GET", f"{call.base_url}/v1/models/{call.model}", headers, b"")

    def events(self, body: bytes) -> Iterator[Event]:
        yield ModelServed(parse(_Named, body).id)
        yield Replied(ModelFound())


class _GeminiModel(Wire):
    name: str


class GeminiModels(InOnePiece[ModelsAsk]):
    """The model is asked for by name: the list leaves out tuned ones."""

    def __init__(self) -> None:
        super().__init__(Gemini())

    def request(self, call: Call[ModelsAsk]) -> HttpRequest:
        headers = {"x-goog-api-key": call.api_key} if call.api_key else {}
        return HttpRequest("GET", resource_url(call), headers, b"")

    def events(self, body: bytes) -> Iterator[Event]:
        parse(_GeminiModel, body)
        yield Replied(ModelFound())


class _Tag(Wire):
    name: str


class _Tags(Wire):
    """list of local models"""

    models: Annotated[list[_Tag], Field(max_length=_MAX_MODELS)]


class OllamaModels(InOnePiece[ModelsAsk]):
    """What Ollama has on its disk."""

    def __init__(self) -> None:
        super().__init__(Ollama())

    def request(self, call: Call[ModelsAsk]) -> HttpRequest:
        return HttpRequest("GET", f"{call.base_url}/api/tags", bearer(call), b"")

    def events(self, body: bytes) -> Iterator[Event]:
        names = {tag.name for tag in parse(_Tags, body).models}
        names |= {name.removesuffix(":latest") for name in names}
        yield Replied(ModelList(frozenset(names)))
