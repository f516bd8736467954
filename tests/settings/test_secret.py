"""Secrets: their sources, their errors, and that they never leak."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from exporter.settings.redaction import REDACTED, redact, remember
from exporter.settings.secret import Secret, SecretError

VALUE = 'sk-"äö/1234567890'
ASCII_VALUE = "sk-test/1234567890"


def test_a_secret_is_read_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", f" {ASCII_VALUE}\n")
    assert Secret(env="KEY").read() == ASCII_VALUE


def test_a_secret_file_is_read_again_each_time(tmp_path: Path) -> None:
    file = tmp_path / "key"
    secret = Secret(file=file)
    file.write_bytes(b"first-value\n")
    assert secret.read() == "first-value"
    file.write_bytes(b"\xef\xbb\xbfsecond-value\r\n")
    assert secret.read() == "second-value"


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"\xff\xfe", "schlüssel".encode()])
def test_an_unusable_secret_file_is_named_but_not_quoted(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(SecretError, match=str(file)) as caught:
        Secret(file=file).read()
    assert "two" not in str(caught.value)


def test_a_missing_source_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(SecretError, match="NO_SUCH_KEY is not set"):
        Secret(env="NO_SUCH_KEY").read()
    with pytest.raises(SecretError, match="No such file"):
        Secret(file=tmp_path / "none").read()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("sk-1234567890", "never values"),
        (1234567890, "never values"),
        (["sk-1234567890"], "never values"),
        ({"env": "sk-1234567890"}, "not its value"),
        ({"env": "A", "file": "b"}, "exactly one"),
        ({}, "exactly one"),
        ({"evn": "A"}, "Extra inputs"),
        ({"file": ""}, "path of a file"),
    ],
)
def test_what_is_no_reference_is_refused_without_quoting_it(value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        Secret.model_validate(value)
    details = caught.value.errors(include_input=False)
    assert "1234567890" not in str([detail["msg"] for detail in details])


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        json.dumps(VALUE),
        quote(VALUE, safe=""),
        base64.b64encode(VALUE.encode()).decode(),
        f"Bearer {VALUE}, twice {VALUE}",
    ],
)
def test_a_remembered_value_is_taken_out_in_every_form_it_may_come_back_in(form: str) -> None:
    remember(VALUE)
    redacted = redact(f"before {form} after")
    assert REDACTED in redacted
    assert "1234567890" not in redacted
    assert base64.b64encode(VALUE.encode()).decode().rstrip("=") not in redacted


def test_a_value_that_was_read_is_redacted_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "never-seen-before-0815")
    assert redact("never-seen-before-0815") == "never-seen-before-0815"
    Secret(env="KEY").read()
    assert redact("x never-seen-before-0815 y") == f"x {REDACTED} y"


def test_very_short_values_do_not_blank_out_innocent_text() -> None:
    remember("abc")
    assert redact("abc") == "abc"


def test_a_longer_secret_goes_before_one_that_it_contains() -> None:
    remember("overlap-key")
    remember("overlap-key-longer")
    assert redact("overlap-key-longer") == REDACTED
