"""Helpers for handlers of answers in one piece."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from exporter.simulator.framing import compact_json
from exporter.simulator.generation import count_tokens
from exporter.simulator.handler import Facts, Request, Response, WholeQuestion
from exporter.simulator.model import Presence


def asks(method: str, pattern: str, *headers: str) -> Callable[[Request], bool]:
    """Return a function that checks whether a request has this method, path, and headers."""

    def claims(request: Request) -> bool:
        found = request.method == method and re.fullmatch(pattern, request.path)
        return bool(found) and all(name in request.headers for name in headers)

    return claims


def json_response(body: object, *headers: tuple[str, str]) -> Response:
    return Response(200, (("content-type", "application/json"), *headers), compact_json(body))


def answered(
    model: str, texts: Iterable[str], body: Callable[[Facts], object], *headers: tuple[str, str]
) -> WholeQuestion:
    """Return a request to a model about texts, with its answer."""

    def respond(facts: Facts, _presences: Mapping[str, Presence]) -> Response:
        return json_response(body(facts), ("x-request-id", f"req_{facts.number}"), *headers)

    return WholeQuestion(model, "\n".join(texts), respond)


def tokens_of(texts: Iterable[str]) -> int:
    """Return how many tokens these texts have."""
    return sum(map(count_tokens, texts))
