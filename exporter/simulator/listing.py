"""Which models there are, from the server's side."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from exporter.simulator.anthropic import AnthropicHandler
from exporter.simulator.framing import compact_json
from exporter.simulator.gemini import GeminiHandler
from exporter.simulator.handler import (
    Facts,
    Handler,
    InOnePiece,
    Request,
    Response,
    WholeCall,
)
from exporter.simulator.model import Presence
from exporter.simulator.ollama import OllamaHandler
from exporter.simulator.openai import OpenAIHandler

_MODEL = re.compile(r"(?:/.*)?/(?:v1|v1beta)/models/([^/]+)")


def _gets(pattern: str, *headers: str) -> Callable[[Request], bool]:
    def claims(request: Request) -> bool:
        found = request.method == "GET" and re.fullmatch(pattern, request.path)
        return bool(found) and all(name in request.headers for name in headers)

    return claims


def _listing(body: Callable[[Mapping[str, Presence]], object]) -> Callable[[Request], WholeCall]:
    def respond(facts: Facts, presences: Mapping[str, Presence]) -> Response:
        return _json(body(presences))

    return lambda _request: WholeCall(None, "", respond)


def _found(body: Callable[[str], object]) -> Callable[[Request], WholeCall]:
    def read(request: Request) -> WholeCall:
        match = _MODEL.fullmatch(request.path)
        model = unquote(match[1]) if match else ""
        return WholeCall(model, "", lambda facts, presences: _json(body(facts.served_model)))

    return read


def _json(body: object) -> Response:
    return Response(200, (("content-type", "application/json"),), compact_json(body))


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


def _ollama(models: Mapping[str, Presence]) -> object:
    return {"models": [{"name": model, "model": model} for model in models]}


LISTINGS: tuple[Handler, ...] = (
    InOnePiece(
        AnthropicHandler(), _gets(".*/v1/models/.+", "anthropic-version"), _found(_anthropic)
    ),
    InOnePiece(GeminiHandler(), _gets(_MODEL.pattern), _found(_gemini)),
    InOnePiece(OpenAIHandler(), _gets(".*/models"), _listing(_openai)),
    InOnePiece(OllamaHandler(), _gets(".*/api/tags"), _listing(_ollama)),
)
