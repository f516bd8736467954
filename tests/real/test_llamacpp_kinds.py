"""llama.cpp's own server, beyond chat: fixed prompts, its list of models, embeddings."""

from __future__ import annotations

from pathlib import Path

from exporter.result import FailureReason
from tests.real.conftest import Figures
from tests.real.exporter_process import ask
from tests.real.servers import Installation, Server

WIDTH = 256
"""The width of the tiny model, and therefore of its vectors."""


def test_the_same_prompts_get_the_same_answers(
    llama_server: Server, tmp_path: Path, figures: Figures
) -> None:
    fixed = {"kind": "fingerprint", "logprobs": True}
    rounds = [ask(tmp_path, "openai", llama_server.base_url, fixed, 10) for _ in range(2)]

    first, again = rounds
    assert [result.failure for result in [*first, *again]] == [None] * 20
    same = sum(a.answer == b.answer for a, b in zip(first, again, strict=True))
    figures.note(f"llama.cpp, fingerprint: {same} of 10 answers the same")
    assert same >= 9


def test_its_list_has_the_model(llama_server: Server, tmp_path: Path) -> None:
    [result] = ask(tmp_path, "openai", llama_server.base_url, {"kind": "models"})
    assert result.success, result.failure


def test_a_text_keeps_its_vector(
    installation: Installation, tmp_path: Path, figures: Figures
) -> None:
    with installation.llama_server(None, "--embeddings", "--pooling", "mean") as server:
        server.wait_until_ready("/health")
        right = {"kind": "embeddings", "expect": {"dimensions": WIDTH}}
        wrong = {"kind": "embeddings", "expect": {"dimensions": 2 * WIDTH}}
        results = ask(tmp_path, "openai", server.base_url, right, 3)
        [disappointed] = ask(tmp_path, "openai", server.base_url, wrong)

    assert [result.failure for result in results] == [None] * 3
    assert [result.embedding_dimensions for result in results] == [WIDTH] * 3
    assert disappointed.reason is FailureReason.WRONG_ANSWER
    figures.note(f"llama.cpp, embeddings: {results[0].usage}")
