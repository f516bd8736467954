"""Azure OpenAI and Foundry Models: Chat Completions behind Microsoft's gateway.

Sources: Microsoft's Foundry and Azure OpenAI references, OpenAI's SDK (its Azure client), the
azure-ai-inference SDK, and streams seen in the field. The chunks are OpenAI's. Content-filter
results come before the first chunk, inside each chunk, and after the last one.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from exporter.providers.asks import Ask, ChatAsk
from exporter.providers.base import (
    Call,
    Decoder,
    HeaderFacts,
    HttpRequest,
    ResponseHead,
)
from exporter.providers.greedy import openai_greedy
from exporter.providers.openai import OpenAI
from exporter.providers.presets import COMPATIBLE, Preset
from exporter.providers.tools import openai_tools
from exporter.providers.turns import openai_messages, response_format
from exporter.providers.wire import merged
from exporter.result import Failure

INFERENCE_VERSION = "2024-05-01-preview"
"""The only published version of the Foundry inference endpoint."""

_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?|preview|latest|v1")
_CHAT = OpenAI(
    Preset(
        # Its filters delay the end, so the end says nothing about the last token.
        counts_stop_token=False,
        request_id_headers=("x-request-id", "apim-request-id"),
    )
)


def check_api_version(version: str) -> None:
    """Check the format of the API version.

    :raises ValueError: Azure's versions never have this format.
    """
    if not _VERSION.fullmatch(version):
        raise ValueError(
            f"azure has no version {version!r}; write a date, as in 2024-10-21 or "
            "2025-04-01-preview, or leave it out for the v1 API"
        )


class Azure:
    """The ``azure`` dialect. The base URL and the API version select one of three endpoints:

    - ``.../openai/v1/chat/completions``, the default. It has its own versions, such as
      ``preview``.
    - ``.../openai/deployments/DEPLOYMENT/chat/completions``, if the version is a date.
    - ``.../models/chat/completions``, if the base URL ends in ``/models``.
    """

    def request(self, call: Call[ChatAsk]) -> HttpRequest:
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream",
            **authorization(call),
        }
        body: dict[str, object] = {
            "model": call.model,
            "messages": openai_messages(call.ask),
            "response_format": response_format(call.ask),
            **COMPATIBLE.reasoning_fields(call.ask),
            **openai_tools(call.ask),
            **openai_greedy(call.ask),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if _is_inference(call.base_url):
            body["max_tokens"] = call.ask.max_output_tokens
            # Otherwise this endpoint would reject stream_options, a field that it doesn't know.
            headers["extra-parameters"] = "pass-through"
        else:
            body["max_completion_tokens"] = (
                call.ask.max_output_tokens
            )  # reasoning models accept no other
        return HttpRequest(
            "POST",
            url(call, "chat/completions"),
            headers,
            json.dumps(merged(body, call.extra_body)).encode(),
        )

    def decoder(self) -> Decoder:
        return _CHAT.decoder()

    def failure(self, head: ResponseHead, body: bytes) -> Failure | None:
        return _CHAT.failure(head, body)

    def header_facts(self, head: ResponseHead) -> HeaderFacts:
        return _CHAT.header_facts(head)


def authorization(call: Call[Ask]) -> dict[str, str]:
    if call.api_key:
        return {"api-key": call.api_key}
    return {"authorization": f"Bearer {call.entra_token}"} if call.entra_token else {}


def _is_inference(base_url: str) -> bool:
    return base_url.endswith("/models")


def _is_v1(call: Call[Ask]) -> bool:
    """Return whether the target is the v1 API, the only one whose versions aren't dates."""
    version = call.api_version
    return call.base_url.endswith("/v1") or not (version and version[0].isdigit())


def url_of_models(call: Call[Ask]) -> str:
    """Return the URL of the list of models. The inference endpoint only describes its one model."""
    base, version = call.base_url, call.api_version
    if _is_inference(base):
        return url(call, "info")
    if not _is_v1(call):
        return f"{base.removesuffix('/openai')}/openai/models?api-version={version}"
    return url(call, "models")


def url(call: Call[Ask], operation: str) -> str:
    """Return the URL of an operation, such as ``chat/completions``, on the target's endpoint."""
    base, version = call.base_url, call.api_version
    if _is_inference(base):
        return f"{base}/{operation}?api-version={version or INFERENCE_VERSION}"
    openai = f"{base.removesuffix('/openai')}/openai"
    if _is_v1(call):
        v1 = base if base.endswith("/v1") else f"{openai}/v1"
        return f"{v1}/{operation}" + (f"?api-version={version}" if version else "")
    deployment = quote(call.model, safe="")
    return f"{openai}/deployments/{deployment}/{operation}?api-version={version}"
