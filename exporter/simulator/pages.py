"""The status endpoints of model servers: health, and the loaded models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from exporter.simulator.framing import compact_json
from exporter.simulator.handler import Request, Response
from exporter.simulator.model import Presence


def page(request: Request, models: Mapping[str, Presence]) -> Response:
    """Return the requested page. ``models`` says whether each model is in memory."""
    match request.method, request.path:
        case "GET", "/health":
            return _health(models)
        case "GET", "/api/ps":
            return _ollama_models(
                model for model, presence in models.items() if presence is Presence.LOADED
            )
        case _:
            return _json(404, {"error": f"There is nothing at {request.path}."})


def _health(models: Mapping[str, Presence]) -> Response:
    if Presence.ABSENT not in models.values():
        return _json(200, {"status": "ok"})
    return _json(503, {"error": {"message": "Loading model", "type": "unavailable_error"}})


def _ollama_models(models: Iterable[str]) -> Response:
    return _json(200, {"models": [{"name": model, "model": model} for model in models]})


def _json(status: int, body: object) -> Response:
    return Response(status, (("content-type", "application/json"),), compact_json(body))
