"""``simulate --fault``: a model that fails on demand."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.process import cli, eventually, exporter, free_port, process

ASKED = {"model": "hosted-large", "messages": [{"role": "user", "content": "hi"}], "stream": True}


def test_a_model_fails_as_configured_and_others_do_not(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    headers = {"authorization": "Bearer any"}
    command = exporter("simulate", "--listen", f"127.0.0.1:{port}", "--fault", "hosted-large=429")
    with process(command, tmp_path / "log"):
        answer = eventually(lambda: httpx.post(url, json=ASKED, headers=headers, trust_env=False))
    assert answer.status_code == 429


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("hosted-large=nonsense", "is no fault"),
        ("hosted-large", "is not MODEL=FAULT"),
        ("nobody=429", "no model is named"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(fault: str, told: str) -> None:
    done = cli("simulate", "--listen", f"127.0.0.1:{free_port()}", "--fault", fault)
    assert done.returncode == 2
    assert told in done.stderr
