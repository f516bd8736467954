"""The simulated list of models."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, unquote

from exporter.simulator.anthropic import AnthropicHandler
from exporter.simulator.azure import AzureHandler
from exporter.simulator.bedrock import BedrockHandler
from exporter.simulator.dashscope import DashScopeHandler
from exporter.simulator.gemini import GeminiHandler
from exporter.simulator.handler import (
    Facts,
    Handler,
    InOnePiece,
    Request,
    Response,
    WholeQuestion,
)
from exporter.simulator.model import Presence
from exporter.simulator.ollama import OllamaHandler
from exporter.simulator.openai import OpenAIHandler
from exporter.simulator.whole import asks, json_response

_FOUNDATION = re.compile(r"(?:/.*)?/foundation-models/([^/]+)")
_PROFILE = re.compile(r"(?:/.*)?/inference-profiles/([^/]+)")
_MODEL = re.compile(r"(?:/.*)?/(?:v1|v1beta)/models/([^/]+)")


def _listing(
    body: Callable[[Mapping[str, Presence]], object],
) -> Callable[[Request], WholeQuestion]:
    def respond(facts: Facts, presences: Mapping[str, Presence]) -> Response:
        return json_response(body(presences))

    return lambda _request: WholeQuestion(None, "", respond)


def _found(
    body: Callable[[str], object], pattern: re.Pattern[str] = _MODEL
) -> Callable[[Request], WholeQuestion]:
    def read(request: Request) -> WholeQuestion:
        match = pattern.fullmatch(request.path)
        model = unquote(match[1]) if match else ""
        return WholeQuestion(
            model, "", lambda facts, presences: json_response(body(facts.served_model))
        )

    return read


def _openai(models: Mapping[str, Presence]) -> object:
    listed = [
        {"id": model, "object": "model", "created": 0, "owned_by": "simulator"}
        for model, presence in models.items()
        if presence is not Presence.ABSENT
    ]
    return {"object": "list", "data": listed}


def _anthropic(model: str) -> object:
    return {
        "type": "model",
        "id": model,
        "display_name": model,
        "created_at": "2026-09-01T00:00:00Z",
    }


def _gemini(model: str) -> object:
    return {
        "name": f"models/{model}",
        "version": "001",
        "displayName": model,
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }


def _bedrock(model: str) -> object:
    arn = f"arn:aws:bedrock:us-east-1::foundation-model/{model}"
    return {"modelDetails": {"modelArn": arn, "modelId": model, "modelName": model}}


def _bedrock_profile(model: str) -> object:
    return {
        "inferenceProfileName": model,
        "inferenceProfileArn": f"arn:aws:bedrock:us-east-1:0:inference-profile/{model}",
        "inferenceProfileId": model,
        "models": [{"modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{model}"}],
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    }


def _dashscope(request: Request) -> WholeQuestion:
    wanted = parse_qs(request.query).get("model", [""])[0]

    def respond(facts: Facts, models: Mapping[str, Presence]) -> Response:
        found = [{"model": wanted, "name": wanted}] if wanted in models else []
        page = {"total": len(found), "page_no": 1, "page_size": 1, "models": found}
        return json_response({"request_id": str(facts.number), "output": page})

    return WholeQuestion(None, "", respond)


def _azure_info(model: Mapping[str, Presence]) -> object:
    return {
        "model_name": next(iter(model), ""),
        "model_type": "chat-completion",
        "model_provider_name": "simulator",
    }


def _ollama(models: Mapping[str, Presence]) -> object:
    return {"models": [{"name": model, "model": model} for model in models]}


LISTINGS: tuple[Handler, ...] = (
    InOnePiece(
        AnthropicHandler(), asks("GET", ".*/v1/models/.+", "anthropic-version"), _found(_anthropic)
    ),
    InOnePiece(GeminiHandler(), asks("GET", _MODEL.pattern), _found(_gemini)),
    InOnePiece(BedrockHandler(), asks("GET", _FOUNDATION.pattern), _found(_bedrock, _FOUNDATION)),
    InOnePiece(BedrockHandler(), asks("GET", _PROFILE.pattern), _found(_bedrock_profile, _PROFILE)),
    InOnePiece(DashScopeHandler(), asks("GET", ".*/api/v1/models"), _dashscope),
    InOnePiece(AzureHandler(), asks("GET", ".*/openai(/v1)?/models"), _listing(_openai)),
    InOnePiece(AzureHandler(), asks("GET", ".*/models/info"), _listing(_azure_info)),
    InOnePiece(OpenAIHandler(), asks("GET", ".*/models"), _listing(_openai)),
    InOnePiece(OllamaHandler(), asks("GET", ".*/api/tags"), _listing(_ollama)),
)
