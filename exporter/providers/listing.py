"""Lists of models, in each provider's format. Asking for one costs no tokens.

Sources: the API references of OpenAI ("List models"), Azure OpenAI ("Models - List"), Anthropic
("Get a model"), Amazon Bedrock ("GetFoundationModel"), the Gemini API ("models.get") and Ollama
("List models"), and Alibaba Cloud's SDK.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Self, TypeVar
from urllib.parse import quote, urlencode

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from exporter.providers import azure, bedrock, dashscope
from exporter.providers.anthropic import VERSIONS, Anthropic, authorization
from exporter.providers.asks import ModelFound, ModelList, ModelsAsk
from exporter.providers.base import Call, Event, HttpRequest, ModelServed, Replied
from exporter.providers.error_body import Text
from exporter.providers.gemini import Gemini, resource_url
from exporter.providers.ollama import Ollama
from exporter.providers.openai import OpenAI
from exporter.providers.presets import COMPATIBLE, Preset
from exporter.providers.whole import InOnePiece, bearer
from exporter.providers.wire import Wire, read, read_if

_MAX_MODELS = 20_000
_BARE_LIST = re.compile(rb"\s*+\[")

T = TypeVar("T")
_Models = Annotated[list[T], Field(max_length=_MAX_MODELS, fail_fast=True)]


class _Listed(TypedDict):
    """One model of a list. A list can have thousands, and a dictionary takes a third of the time
    of an object."""

    id: str


class _IdList(Wire):
    """list of models"""

    object: Text = None
    data: _Models[_Listed] | None  # null from Ollama without models

    @model_validator(mode="after")
    def _is_list(self) -> Self:
        if self.data is None and self.object != "list":
            raise ValueError("data is null, as in many errors")
        return self


class _AzureModels(Wire):
    """list of models"""

    data: _Models[_Listed] | None = None
    model_name: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.data is None and self.model_name is None:
            raise ValueError("neither data nor model_name is there")
        return self


class OpenAIModels(InOnePiece[ModelsAsk]):
    """OpenAI's list of models. Nearly every compatible server has one too."""

    def __init__(self, preset: Preset = COMPATIBLE) -> None:
        super().__init__(OpenAI(preset))

    def request(self, call: Call[ModelsAsk]) -> HttpRequest:
        return HttpRequest("GET", f"{call.base_url}/models", bearer(call), b"")

    def events(self, body: bytearray) -> Iterator[Event]:
        # Together sends a bare list.
        listed = b'{"data":%s}' % body if _BARE_LIST.match(body) else body
        names = {model["id"] for model in read(_IdList, listed).data or ()}
        # Google's compatible endpoint lists models/NAME but also answers to NAME.
        names |= {name[len("models/") :] for name in names if name.startswith("models/")}
        yield Replied(ModelList(frozenset(names)))


class AzureModels(InOnePiece[ModelsAsk]):
    """Azure's list of models. A deployment can have any name, so any valid list means success."""

    def __init__(self) -> None:
        super().__init__(azure.Azure())

    def request(self, call: Call[ModelsAsk]) -> HttpRequest:
        return HttpRequest("GET", azure.url_of_models(call), azure.authorization(call), b"")

    def events(self, body: bytearray) -> Iterator[Event]:
        read(_AzureModels, body)
        yield Replied(ModelFound())


class _Details(Wire):
    id: str = Field(validation_alias="modelId")


class _BedrockModel(Wire):
    """model of Bedrock"""

    model: _Details = Field(validation_alias="modelDetails")


class _BedrockProfile(Wire):
    """inference profile"""

    id: str = Field(validation_alias="inferenceProfileId")


_PROFILE = re.compile(r"(us|us-gov|eu|apac|jp|au|ca|global)\.|arn:.*inference-profile/")


class BedrockModels(InOnePiece[ModelsAsk]):
    """A request for one model or inference profile, by name, to Bedrock's control plane."""

    def __init__(self) -> None:
        super().__init__(bedrock.Bedrock())

    def request(self, call: Call[ModelsAsk]) -> HttpRequest:
        """Return the signed request.

        :raises ValueError: the request needs a signature, but the call has no time.
        """
        kind = "inference-profiles" if _PROFILE.match(call.model) else "foundation-models"
        # Behind a proxy, the control plane has the same host as the runtime.
        host = call.base_url.replace("//bedrock-runtime", "//bedrock", 1)
        url = f"{host}/{kind}/{quote(call.model, safe='')}"
        return bedrock.authorized(call, HttpRequest("GET", url, {}, b""))

    def events(self, body: bytearray) -> Iterator[Event]:
        if read_if(_BedrockProfile, body) is None:
            read(_BedrockModel, body)
        yield Replied(ModelFound())


class _DashScopeModel(TypedDict, total=False):
    model: str | None
    name: str | None


class _DashScopeOutput(Wire):
    models: _Models[_DashScopeModel]


class _DashScopeModels(Wire):
    """list of models"""

    output: _DashScopeOutput


class DashScopeModels(InOnePiece[ModelsAsk]):
    """A request for one model by name, like that of Model Studio's SDK."""

    def __init__(self) -> None:
        super().__init__(dashscope.DashScope())

    def request(self, call: Call[ModelsAsk]) -> HttpRequest:
        named = urlencode({"model": call.model, "page_no": 1, "page_size": 1})
        return HttpRequest("GET", f"{call.base_url}/models?{named}", bearer(call), b"")

    def events(self, body: bytearray) -> Iterator[Event]:
        listed = read(_DashScopeModels, body).output.models
        names = (model.get("model") or model.get("name") or "" for model in listed)
        yield Replied(ModelList(frozenset(names)))


class _AnthropicModel(Wire):
    """description of a model"""

    id: str


class AnthropicModels(InOnePiece[ModelsAsk]):
    """A request for one model by name, because the list doesn't include aliases."""

    def __init__(self) -> None:
        super().__init__(Anthropic())

    def request(self, call: Call[ModelsAsk]) -> HttpRequest:
        version = call.api_version or VERSIONS[-1]
        headers = {"anthropic-version": version, **authorization(call.api_key, version)}
        return HttpRequest("GET", f"{call.base_url}/v1/models/{call.model}", headers, b"")

    def events(self, body: bytearray) -> Iterator[Event]:
        yield ModelServed(read(_AnthropicModel, body).id)
        yield Replied(ModelFound())


class _GeminiModel(Wire):
    """description of a model"""

    name: str


class GeminiModels(InOnePiece[ModelsAsk]):
    """A request for one model by name, because the list doesn't include tuned models."""

    def __init__(self) -> None:
        super().__init__(Gemini())

    def request(self, call: Call[ModelsAsk]) -> HttpRequest:
        headers = {"x-goog-api-key": call.api_key} if call.api_key else {}
        return HttpRequest("GET", resource_url(call), headers, b"")

    def events(self, body: bytearray) -> Iterator[Event]:
        read(_GeminiModel, body)
        yield Replied(ModelFound())


class _Tag(TypedDict):
    name: str


class _Tags(Wire):
    """list of local models"""

    models: _Models[_Tag]


class OllamaModels(InOnePiece[ModelsAsk]):
    """The models on the disk of an Ollama server."""

    def __init__(self) -> None:
        super().__init__(Ollama())

    def request(self, call: Call[ModelsAsk]) -> HttpRequest:
        return HttpRequest("GET", f"{call.base_url}/api/tags", bearer(call), b"")

    def events(self, body: bytearray) -> Iterator[Event]:
        names = {tag["name"] for tag in read(_Tags, body).models}
        names |= {name.removesuffix(":latest") for name in names}
        yield Replied(ModelList(frozenset(names)))
