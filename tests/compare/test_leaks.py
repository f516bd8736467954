"""Both sides send back the key in every form. None of it appears in the output of ``compare``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from exporter.settings.redaction import redact, remember
from tests.fuzz.encodings import ENCODINGS, KEY
from tests.process import cli
from tests.wire import LAST_CHUNK, STREAM_HEAD, Step, chunk, response, wire_server

pytestmark = pytest.mark.slow
PREFIX = 12


def _answer(said: str) -> Sequence[Step]:
    """Return a good answer in which all texts are the same."""
    told = {
        "id": said,
        "model": said,
        "choices": [{"delta": {"content": said, "reasoning_content": said}, "finish_reason": said}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 9},
    }
    return [
        STREAM_HEAD,
        chunk(f"data: {json.dumps(told)}\n\ndata: [DONE]\n\n".encode()),
        LAST_CHUNK,
    ]


def _error(said: str) -> Sequence[Step]:
    error = {"message": said, "type": said, "code": said, "param": said}
    return [response(400, json.dumps({"error": error}).encode(), f"x-request-id: {KEY}".encode())]


def _holds_none(text: str) -> None:
    remember(KEY)
    assert KEY[:PREFIX] not in text
    assert [name for name, encode in ENCODINGS.items() if encode(KEY) in text] == []
    assert redact(text) == text


BOTH_SIDES = 2
ANSWERS = (_answer,) * BOTH_SIDES
ERRORS = (_error,) * BOTH_SIDES + ANSWERS
"""A target that only fails is soon skipped."""


@pytest.mark.parametrize("plays", [ANSWERS, ERRORS], ids=["answers", "errors"])
def test_reports_and_samples_hold_no_form_of_a_key(
    plays: Sequence[Callable[[str], Sequence[Step]]], tmp_path: Path
) -> None:
    said = [f"it is {encode(KEY)} as I said" for encode in ENCODINGS.values()]
    scripts = [play(text) for text in said for play in plays]
    files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "markdown", "html")}
    samples = tmp_path / "samples.jsonl"
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "Say it."}\n')
    with wire_server(*scripts) as server:
        side = f"name={{}},provider=openai,model=m,base_url={server.url}/v1,api_key_env=LEAKED"
        done = cli(
            "--log-level=debug",
            "compare",
            *("--baseline", side.format("a"), "--candidate", side.format("b")),
            *("-n", str(len(scripts) // BOTH_SIDES)),
            *("--prompts-file", tmp_path / "prompts.jsonl", "--samples", samples),
            *(part for kind, file in files.items() for part in (f"--{kind}", file)),
            LEAKED=KEY,
        )
        asked = len(server.requests)
    assert asked >= len(scripts), done.stderr
    written = [file.read_text() for file in (*files.values(), samples)]
    for text in (done.stdout, done.stderr, *written):
        _holds_none(text)
    assert all(written)


@pytest.mark.parametrize("form", ["as it is", "percent, twice", "base64", "HTML, hexadecimal"])
def test_a_memory_that_sends_the_token_back(form: str, tmp_path: Path) -> None:
    echo = ENCODINGS[form](KEY)
    body = json.dumps({"status": "error", "errorType": echo, "error": f"no {echo}"}).encode()
    with wire_server([response(401, body, b"www-authenticate: " + echo.encode())]) as server:
        done = cli(
            *("compare", "--prometheus", server.url, "--prometheus-token-env", "LEAKED"),
            *("--baseline", "a", "--candidate", "b", "--json", tmp_path / "report.json"),
            LEAKED=KEY,
        )
    assert done.returncode != 0
    assert done.stderr
    _holds_none(done.stdout + done.stderr)
