"""The servers that every test here shares, and the table of figures at the end of the run."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.exporter_process import Result
from tests.real.servers import API_KEY, Installation, Server, free_port

FIGURES = pytest.StashKey[list["Figure"]]()


@dataclass(frozen=True, slots=True)
class Figure:
    """What probing one server came to."""

    server: str
    results: Sequence[Result]

    def __str__(self) -> str:
        successes = sum(result.success for result in self.results)
        return (
            f"{self.server:42} {len(self.results):3} {successes:3}"
            f" {self._median('time_to_first_token_seconds', 1e3, '9.2f')}"
            f" {self._median('time_per_output_token_seconds', 1e3, '9.3f')}"
            f" {self._median('output_tokens_per_second', 1, '9.1f')}"
            f" {self._median('uncertainty_seconds', 1e3, '9.3f')}"
        )

    def _median(self, measure: str, scale: float, form: str) -> str:
        known = [value for r in self.results if (value := getattr(r, measure)) is not None]
        return format(statistics.median(known) * scale, form) if known else "        -"


class Figures:
    """Collects figures for the table."""

    def __init__(self, kept: list[Figure]) -> None:
        self._kept = kept

    def keep(self, server: str, results: Sequence[Result]) -> None:
        self._kept.append(Figure(server, results))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    figures = config.stash.get(FIGURES, [])
    if figures:
        terminalreporter.section("real servers")
        terminalreporter.line(
            f"{'medians':42} {'n':>3} {'ok':>3}"
            f"{'TTFT ms':>10}{'TPOT ms':>10}{'tok/s':>10}{'± ms':>10}"
        )
        for figure in figures:
            terminalreporter.line(str(figure))


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> Figures:
    return Figures(request.config.stash.setdefault(FIGURES, []))


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    home = os.environ.get("REAL_SERVERS")
    assert home, "run these tests by `make test-real`: it installs the servers"
    return Installation(Path(home), tmp_path_factory.mktemp("servers"))


@pytest.fixture(scope="session")
def llama_server(installation: Installation) -> Iterator[Server]:
    with installation.llama_server() as server:
        server.wait_until_ready("/health")
        yield server


@pytest.fixture(scope="session")
def llama_cpp_python(installation: Installation) -> Iterator[Server]:
    with installation.llama_cpp_python() as server:
        server.wait_until_ready("/v1/models")
        yield server


@pytest.fixture(scope="session")
def doomed_port() -> int:
    """Where a server is looked for that a test starts and kills."""
    return free_port()


@pytest.fixture(scope="session")
def litellm(
    installation: Installation,
    llama_server: Server,
    llama_cpp_python: Server,
    doomed_port: int,
) -> Iterator[Server]:
    def behind(base_url: str) -> dict[str, object]:
        return {"model": "openai/tiny", "api_base": base_url, "api_key": API_KEY}

    def mock(response: str) -> dict[str, object]:
        return {"model": "openai/mock", "api_key": "none", "mock_response": response}

    models = {
        "mock": mock("The quick brown fox jumps over the lazy dog and walks home."),
        "limited": mock("litellm.RateLimitError"),
        "broken": mock("litellm.InternalServerError"),
        "llama": behind(llama_server.base_url),
        "no-usage": behind(llama_cpp_python.base_url),
        "doomed": behind(f"http://127.0.0.1:{doomed_port}/v1"),
    }
    with installation.litellm(models) as server:
        server.wait_until_ready("/health/liveliness")
        yield server
