"""Real inference servers in separate processes: started, watched, frozen, killed.

``make -C tests/real servers`` installs them in the folder ``REAL_SERVERS``. This module has the
shared code and the servers of llama.cpp and LiteLLM. ``engines`` and ``fakes`` have the others.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

API_KEY = "sk-of-the-test"
MODEL = "tiny"
CONTEXT_TOKENS = 8192

_READY_SECONDS = 90.0
_STOP_SECONDS = 5.0

_TIMING = re.compile(
    r"prompt eval time =\s+([\d.]+) ms /\s+(\d+) tokens[^\n]*\n"
    r"[^\n]*? eval time =\s+([\d.]+) ms /\s+(\d+) tokens"
)


class Server:
    """One server process. Its output goes to ``log``."""

    def __init__(
        self,
        command: Sequence[str | Path],
        port: int,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.root = f"http://127.0.0.1:{port}"
        self.base_url = f"{self.root}/v1"
        self.port = port
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self, path: str, seconds: float = _READY_SECONDS) -> None:
        """Wait until ``path`` returns a success.

        :raises TimeoutError: the server isn't ready in time, or has died.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                answer = httpx.get(self.root + path, headers=AUTHORIZATION, trust_env=False)
                if answer.status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass  # not listening yet
            time.sleep(0.05)
        raise TimeoutError(
            f"the server is not ready; its log ends:\n{self.log.read_text()[-2000:]}"
        )

    def freeze(self) -> None:
        """Stop the process: the kernel still accepts connections, but nothing answers."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """Kill the server and all of its child processes. Connections break."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(_STOP_SECONDS)

    def stop(self) -> None:
        """Stop the server, by force if it takes too long.

        llama.cpp's server ignores SIGTERM while a stream is open, and a frozen process always does.
        """
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self.kill()


AUTHORIZATION = {"Authorization": f"Bearer {API_KEY}"}


@dataclass(frozen=True, slots=True)
class Generation:
    """What llama.cpp's server logs about one request: the ground truth for our measurements."""

    prompt_seconds: float
    evaluated_prompt_tokens: int
    """Prompt tokens that weren't in its cache."""
    output_tokens: int
    output_seconds: float
    """From the first output token to the last."""

    @property
    def seconds_per_output_token(self) -> float:
        return self.output_seconds / (self.output_tokens - 1)


def generations(log: Path) -> list[Generation]:
    """Return every finished request in the log of llama.cpp's server, oldest first."""
    return [
        Generation(float(prompt_ms) / 1e3, int(prompt), int(output), float(output_ms) / 1e3)
        for prompt_ms, prompt, output_ms, output in _TIMING.findall(log.read_text())
    ]


@dataclass(frozen=True, slots=True)
class Installation:
    """The folder with the servers, and a folder for logs."""

    home: Path
    logs: Path

    def program(self, path: str, which: str) -> Path:
        """Return a program in the folder, or skip the test if it is missing.

        :param which: the name in the Makefile.
        """
        if not (self.home / path).exists():
            pytest.skip(f"not installed: make -C tests/real servers WHICH={which}")
        return self.home / path

    @contextmanager
    def llama_server(self, port: int | None = None, *options: str) -> Iterator[Server]:
        """Start llama.cpp's own server. Yield it when it listens, shortly before it is ready."""
        port = port or free_port()
        command: list[str | Path] = [
            self.program("llama.cpp/bin/llama-server", "llamacpp"),
            *("--model", self.home / "tiny.gguf", "--alias", MODEL),
            *("--host", "127.0.0.1", "--port", str(port), "--api-key", API_KEY),
            *("--ctx-size", str(CONTEXT_TOKENS), "--parallel", "1", "--threads", "1"),
            *options,
        ]
        yield from running(Server(command, port, self.logs / f"llama-server-{port}.log"))

    @contextmanager
    def llama_cpp_python(self) -> Iterator[Server]:
        """Run the server of the Python package llama-cpp-python."""
        port = free_port()
        command: list[str | Path] = [
            self.program("llama-cpp-python/bin/python", "llamacpp"),
            *("-m", "llama_cpp.server"),
            *("--model", self.home / "tiny.gguf", "--model_alias", MODEL),
            *("--host", "127.0.0.1", "--port", str(port), "--api_key", API_KEY),
            *("--n_ctx", str(CONTEXT_TOKENS), "--n_threads", "1"),
        ]
        library = {"LLAMA_CPP_LIB_PATH": str(self.home / "llama.cpp/bin")}
        log = self.logs / f"llama-cpp-python-{port}.log"
        yield from running(Server(command, port, log, library))

    @contextmanager
    def litellm(self, models: Mapping[str, Mapping[str, object]]) -> Iterator[Server]:
        """Run LiteLLM's proxy for ``models``: LiteLLM's own parameters by public name."""
        port = free_port()
        config = self.logs / f"litellm-{port}.yaml"
        model_list = [
            {"model_name": name, "litellm_params": dict(parameters)}
            for name, parameters in models.items()
        ]
        settings = {
            "model_list": model_list,
            "general_settings": {"master_key": API_KEY},
            "litellm_settings": {"num_retries": 0},
        }
        config.write_text(json.dumps(settings))
        litellm = self.program("litellm/bin/litellm", "litellm")
        command: list[str | Path] = [litellm, "--config", config]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        yield from running(Server(command, port, self.logs / f"litellm-{port}.log", offline))


def running(server: Server) -> Iterator[Server]:
    """Yield the server, and stop it at the end."""
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """Return a free TCP port."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
