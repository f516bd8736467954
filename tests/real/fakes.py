"""Fake providers by other authors. They check dialects whose models can't run here.

aimock (npm, CopilotKit) and llm-katan (PyPI, the vLLM project's semantic router).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.real.servers import MODEL, Installation, Server, free_port, running

ANSWER = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20"
INPUT_TOKENS, OUTPUT_TOKENS = 30, 17
"""The usage that aimock reports. Its chunks have three characters each."""
FIRST_TOKEN_MS = 200
TOKENS_PER_SECOND = 50
GAP_MS = 20


@contextmanager
def aimock(installation: Installation) -> Iterator[Server]:
    """Run aimock, with one answer to everything, in all of its protocols."""
    port = free_port()
    usage = {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": OUTPUT_TOKENS,
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        "input_tokens": INPUT_TOKENS,
        "output_tokens": OUTPUT_TOKENS,
    }
    fixture = {
        "match": {"endpoint": "chat"},
        "response": {"content": ANSWER, "usage": usage},
        "streamingProfile": {"ttft": FIRST_TOKEN_MS, "tps": TOKENS_PER_SECOND},
    }
    file = installation.logs / "aimock.json"
    file.write_text(json.dumps({"fixtures": [fixture]}))
    program = installation.program("aimock/node_modules/.bin/llmock", "aimock")
    options = ("-p", str(port), "-f", str(file), "-c", "3")
    server = Server([program, *options], port, installation.logs / f"aimock-{port}.log")
    for ready in running(server):
        ready.wait_until_ready("/v1/models")
        yield ready


@contextmanager
def chaos(server: Server, rate: str) -> Iterator[None]:
    """Make aimock apply the fault with this rate to every request."""
    url = f"{server.root}/__aimock/chaos"
    httpx.post(url, json={rate: 1}, trust_env=False).raise_for_status()
    try:
        yield
    finally:
        httpx.delete(url, trust_env=False).raise_for_status()


@contextmanager
def llm_katan(installation: Installation) -> Iterator[Server]:
    """Run llm-katan, which echoes the prompt in all of its protocols."""
    port = free_port()
    program = installation.program("llm-katan/bin/llm-katan", "llm-katan")
    options = {
        "model": MODEL,
        "host": "127.0.0.1",
        "port": port,
        "backend": "echo",
        "providers": "openai,anthropic,azure_openai",
        "ttft-ms": FIRST_TOKEN_MS,
        "itl-ms": GAP_MS,
        "stats-file": installation.logs / "llm-katan.json",
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    server = Server([program, *words], port, installation.logs / f"llm-katan-{port}.log")
    for ready in running(server):
        ready.wait_until_ready("/health")
        yield ready
