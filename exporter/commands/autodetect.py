"""Finds API keys in the environment and model servers on this host, for ``init``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import httpx
from pydantic import OnErrorOmit, ValidationError

from exporter.config.target import ModelName
from exporter.providers.wire import Wire

_PATIENCE_SECONDS = 1.0
_MAX_BODY_BYTES = 1 << 20
_MAX_MODELS = 3
"""The most targets per server. Users can add further models themselves."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A target to write into the configuration."""

    name: str
    provider: str
    model: str
    why: str
    """How it was found."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Further configuration keys, as YAML."""


@dataclass(frozen=True, slots=True)
class _Hosted:
    variables: tuple[str, ...]
    provider: str
    model: str
    more: Mapping[str, str] = field(default_factory=dict)


_HOSTED: Mapping[str, _Hosted] = {
    "openai": _Hosted(("OPENAI_API_KEY",), "openai", "gpt-6.1-mini"),
    "anthropic": _Hosted(("ANTHROPIC_API_KEY",), "anthropic", "claude-haiku-5-5"),
    "gemini": _Hosted(("GEMINI_API_KEY", "GOOGLE_API_KEY"), "gemini", "gemini-3.1-flash"),
    "dashscope": _Hosted(("DASHSCOPE_API_KEY",), "dashscope", "qwen-plus", {"region": "singapore"}),
    "deepseek": _Hosted(("DEEPSEEK_API_KEY",), "openai", "deepseek-chat", {"preset": "deepseek"}),
    "fireworks": _Hosted(
        ("FIREWORKS_API_KEY",),
        "openai",
        "accounts/fireworks/models/llama-v3p1-8b-instruct",
        {"preset": "fireworks"},
    ),
    "groq": _Hosted(("GROQ_API_KEY",), "openai", "llama-4-scout", {"preset": "groq"}),
    "mistral": _Hosted(
        ("MISTRAL_API_KEY",), "openai", "mistral-small-latest", {"preset": "mistral"}
    ),
    "openrouter": _Hosted(
        ("OPENROUTER_API_KEY",), "openai", "openrouter/auto", {"preset": "openrouter"}
    ),
    "together": _Hosted(
        ("TOGETHER_API_KEY",),
        "openai",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        {"preset": "together"},
    ),
}
"""Hosted providers: the usual environment variables for their API keys, and a small model each."""

_PORTS = (8000, 8080, 8081, 1234, 3000, 4000, 5000, 9000, 30000)
"""Default ports of vLLM, llama.cpp, TGI, LM Studio, LiteLLM, and SGLang, among others."""
_OLLAMA_PORT = 11434
_PRESETS = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llamacpp"}
"""Presets by the value of ``owned_by`` in a server's list of models."""


class _Model(Wire):
    id: ModelName
    owned_by: str | None = None


class _Models(Wire):
    data: list[OnErrorOmit[_Model]]


class _Tag(Wire):
    name: ModelName


class _Tags(Wire):
    models: list[OnErrorOmit[_Tag]]


def hosted() -> Iterator[Suggestion]:
    """A suggestion for each provider whose API key is in the environment."""
    for name, it in _HOSTED.items():
        if variable := next((name for name in it.variables if os.environ.get(name)), None):
            more = {**it.more, "api_key": f"{{env: {variable}}}"}
            yield Suggestion(name, it.provider, it.model, f"{variable} is set", more)


def local() -> list[Suggestion]:
    """A suggestion for each model of the model servers that listen on this host."""
    with ThreadPoolExecutor(len(_PORTS) + 1) as together:
        compatible = together.map(_compatible, _PORTS)
        ollama = together.submit(_ollama)
    return [found for some in (*compatible, ollama.result()) for found in some]


def _compatible(port: int) -> list[Suggestion]:
    base_url = f"http://127.0.0.1:{port}/v1"
    listed = _page(_Models, f"{base_url}/models")
    models = listed.data if listed else []
    why, found = _why(f"listens on port {port}", len(models)), []
    for model in models[:_MAX_MODELS]:
        preset = _PRESETS.get((model.owned_by or "").lower())
        more = {"base_url": base_url, **({"preset": preset} if preset else {})}
        found.append(Suggestion(f"{model.id} on {port}", "openai", model.id, why, more))
    return found


def _why(listens: str, models: int) -> str:
    return f"{listens}, one of {models} models there" if models > _MAX_MODELS else listens


def _ollama() -> list[Suggestion]:
    base_url = f"http://127.0.0.1:{_OLLAMA_PORT}"
    listed = _page(_Tags, f"{base_url}/api/tags")
    models = [tag.name for tag in listed.models] if listed else []
    why, more = _why(f"Ollama listens on port {_OLLAMA_PORT}", len(models)), {"base_url": base_url}
    return [Suggestion(name, "ollama", name, why, more) for name in models[:_MAX_MODELS]]


W = TypeVar("W", bound=Wire)


def _page(shape: type[W], url: str) -> W | None:
    """The response from a URL; ``None`` if nothing listens there or it has another format."""
    try:
        # No proxy: the servers are on this host.
        with httpx.Client(timeout=_PATIENCE_SECONDS, trust_env=False) as client:
            answer = client.get(url)
        return shape.model_validate_json(answer.content[:_MAX_BODY_BYTES])
    except (httpx.HTTPError, httpx.InvalidURL, ValidationError):
        return None
