"""The servers that all tests here share, and the table of results at the end of the run."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.exporter_process import Result
from tests.real.servers import API_KEY, Generation, Installation, Server, free_port

FIGURES = pytest.StashKey[list["Figure"]]()
NOTES = pytest.StashKey[list[str]]()


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table: the known medians."""

    source: str
    probes: int
    successes: int
    time_to_first_token_seconds: float | None
    time_per_output_token_seconds: float | None
    uncertainty_seconds: float | None = None

    def __str__(self) -> str:
        speed = self.time_per_output_token_seconds and 1 / self.time_per_output_token_seconds
        return (
            f"{self.source:36} {self.probes:3} {self.successes:3}"
            f"{_cell(self.time_to_first_token_seconds, 1e3, 2)}"
            f"{_cell(self.time_per_output_token_seconds, 1e3, 3)}"
            f"{_cell(speed, 1, 1)}{_cell(self.uncertainty_seconds, 1e3, 3)}"
        )


HEADING = (
    f"{'medians':36} {'n':>3} {'ok':>3}{'TTFT ms':>10}{'TPOT ms':>10}{'tok/s':>10}{'± ms':>10}"
)


def _cell(value: float | None, scale: float, digits: int) -> str:
    return f"{'-':>10}" if value is None else f"{value * scale:10.{digits}f}"


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


class Figures:
    """Collects the rows of the table, and the sentences below it."""

    def __init__(self, kept: list[Figure], notes: list[str]) -> None:
        self._kept = kept
        self._notes = notes

    def note(self, sentence: str) -> None:
        self._notes.append(sentence)

    def keep_server(self, source: str, probes: int, first: float | None, each: float) -> None:
        """Keep the times that the last probed server reports itself, in seconds."""
        self._kept.append(Figure(source, probes, probes, first, each))

    def keep(self, server: str, results: Sequence[Result]) -> None:
        """Keep the results of probing a server."""
        self._kept.append(
            Figure(
                server,
                len(results),
                sum(result.success for result in results),
                _median(result.time_to_first_token_seconds for result in results),
                _median(result.time_per_output_token_seconds for result in results),
                _median(result.uncertainty_seconds for result in results),
            )
        )

    def keep_log(self, truths: Sequence[Generation]) -> None:
        """Keep what the last probed server logged about the same requests.

        Its time for the prompt is the part of our TTFT that the server can see.
        """
        self._kept.append(
            Figure(
                "  by its own log",
                len(truths),
                len(truths),
                _median(truth.prompt_seconds for truth in truths),
                _median(truth.seconds_per_output_token for truth in truths),
            )
        )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    figures, notes = config.stash.get(FIGURES, []), config.stash.get(NOTES, [])
    if figures or notes:
        terminalreporter.section("real servers")
        for line in (*([HEADING] if figures else []), *figures, *notes):
            terminalreporter.line(str(line))


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> Figures:
    stash = request.config.stash
    return Figures(stash.setdefault(FIGURES, []), stash.setdefault(NOTES, []))


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
    """Return the port of a server that a test starts and kills."""
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
