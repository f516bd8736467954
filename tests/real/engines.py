"""Engines that load our models: vLLM, transformers serve, and Ollama."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real.servers import API_KEY, MODEL, Installation, Server, free_port, running

VLLM_CONTEXT_TOKENS = 2048
BOOT_SECONDS = 400.0
"""vLLM takes 75 to 125 s on a busy machine, most of it for its own imports."""
TRANSFORMERS_UNLOAD_SECONDS = 8
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "OMP_NUM_THREADS": "1",
}
_NICE = ("nice", "-n", "10")
"""An engine on a CPU uses all of it, and the exporter shares it here."""


@contextmanager
def vllm(installation: Installation, port: int, *more: str) -> Iterator[Server]:
    """Run vLLM's server, and yield it as soon as its process exists.

    :param more: more options of ``vllm serve``.
    """
    program = installation.program("vllm/bin/vllm", "vllm")
    options = (
        *("serve", installation.home / "vllm-model", "--served-model-name", MODEL),
        *("--host", "127.0.0.1", "--port", str(port), "--api-key", API_KEY),
        *("--enforce-eager", "--max-model-len", str(VLLM_CONTEXT_TOKENS), "--dtype", "bfloat16"),
    )
    environment = {
        **_OFFLINE,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    }
    log = installation.logs / f"vllm-{port}.log"
    yield from running(Server([*_NICE, program, *options, *more], port, log, environment))


@contextmanager
def transformers_serve(installation: Installation) -> Iterator[Server]:
    """Run Hugging Face's own server, which loads a model on request."""
    port = free_port()
    program = installation.program("vllm/bin/transformers", "vllm")
    options = (
        *("serve", "--host", "127.0.0.1", "--port", str(port)),
        *("--device", "cpu", "--dtype", "bfloat16"),
        *("--model-timeout", str(TRANSFORMERS_UNLOAD_SECONDS)),
    )
    log = installation.logs / f"transformers-{port}.log"
    for server in running(Server([*_NICE, program, *options], port, log, _OFFLINE)):
        server.wait_until_ready("/health", BOOT_SECONDS)
        yield server


@contextmanager
def ollama(installation: Installation) -> Iterator[Server]:
    """Run Ollama with the models ``tiny``, which never stops by itself, and ``stopping``."""
    port = free_port()
    program = installation.program("ollama/ollama", "ollama")
    environment = {
        "OLLAMA_HOST": f"127.0.0.1:{port}",
        "OLLAMA_MODELS": str(installation.logs / "ollama-models"),
        "OLLAMA_NOPRUNE": "1",
        "HOME": str(installation.logs),
    }
    log = installation.logs / f"ollama-{port}.log"
    for server in running(Server([*_NICE, program, "serve"], port, log, environment)):
        server.wait_until_ready("/api/version")
        for model in (MODEL, "stopping"):
            _create(program, model, installation, environment)
        yield server


def _create(
    program: Path, model: str, installation: Installation, environment: dict[str, str]
) -> None:
    recipe = installation.logs / f"{model}.modelfile"
    recipe.write_text(
        f"FROM {installation.home / f'{model}.gguf'}\n"
        'TEMPLATE """{{ range .Messages }}{{ .Role }}: {{ .Content }}\n{{ end }}assistant:"""\n'
        "PARAMETER num_ctx 2048\nPARAMETER num_thread 1\n"
    )
    command = [str(program), "create", model, "-f", str(recipe)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environment})
