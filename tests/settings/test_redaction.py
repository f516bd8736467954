"""Secrets are found in every encoding, and nothing else is mistaken for one."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.settings.presentable import presentable, shown_answer
from exporter.settings.redaction import NOT_SHOWN, REDACTED, redact, remember
from tests.fuzz.encodings import ENCODINGS, KEY, NESTABLE, Encode, in_base64

PREFIX = 12


@pytest.fixture(autouse=True, scope="module")
def remembered() -> None:
    remember(KEY)


CASES: dict[str, Encode] = {"capitals": str.upper, "small letters": str.lower}
NESTED: dict[str, Encode] = {
    "base64, twice": in_base64(),
    "base64, twice, shifted": lambda text: in_base64(b"key=", b"!")(in_base64(b"a")(text)),
    "base64, three times": lambda text: in_base64()(in_base64(b"x")(in_base64(b"yz")(text))),
}
NESTED["base64, twice"] = lambda text: in_base64()(in_base64()(text))


@pytest.mark.parametrize("encoding", [*ENCODINGS, *CASES, *NESTED])
@pytest.mark.parametrize("around", ["before {} after", '{{"key": "{}"}}', "(x{}y)"])
def test_a_key_is_found_in_every_form(encoding: str, around: str) -> None:
    encoded = {**ENCODINGS, **CASES, **NESTED}[encoding](KEY)
    before, after = around.format("\0").split("\0")
    redacted = redact(f"{before}{encoded}{after}")
    assert REDACTED in redacted
    assert redacted.startswith(before)
    assert redacted.endswith(after)
    assert KEY.lower() not in redacted.lower()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(NESTABLE), min_size=1, max_size=3), st.integers(PREFIX, len(KEY)))
def test_a_key_or_its_beginning_is_found_in_any_three_encodings_of_each_other(
    encodings: list[str], length: int
) -> None:
    text = KEY[:length]
    for encoding in encodings:
        text = ENCODINGS[encoding](text)
    assert REDACTED in redact(f"before {text} after")


ENTANGLED = [
    ("spaces", "quoted-printable, wrapped", "lines"),
    ("zero-width joiners", "quoted-printable", "lines of Windows"),
    ("zero-width joiners", "quoted-printable", "JSON, twice"),
    ("Python, 32 bits", "quoted-printable", "line breaks of HTML"),
    ("HTML, twice", "quoted-printable", "word breaks of HTML"),
    ("quoted-printable, wrapped", "quoted-printable", "word joiners"),
    ("JSON throughout", "HTML, as browsers also read it", "JSON, twice"),
    ("HTML, twice", "HTML, as browsers also read it", "JSON, twice"),
    ("HTML, decimal", "line breaks of HTML", "JSON, signs escaped"),
]
"""Encodings that look like parts of each other: line breaks of quoted-printable inside other line
breaks, and HTML entities without semicolons next to escapes."""


@pytest.mark.parametrize("encodings", ENTANGLED, ids=" in ".join)
def test_a_key_is_removed_whole_from_entangled_encodings(encodings: tuple[str, ...]) -> None:
    text, empty = KEY, ""
    for encoding in encodings:
        text, empty = ENCODINGS[encoding](text), ENCODINGS[encoding](empty)
    redacted = redact(f"before {text} after")
    assert REDACTED in redacted
    assert len(redacted) < len(f"before {empty}{REDACTED} after") + 8


@settings(max_examples=60, deadline=None)
@given(
    st.integers(PREFIX, len(KEY)), st.integers(0, 40), st.sampled_from(["base64", "hexadecimal"])
)
def test_what_was_cut_is_found(length: int, before: int, encoding: str) -> None:
    """The key is part of a longer encoded text that ends inside the key."""
    encoded = ENCODINGS[encoding]("x" * before + KEY)
    per_byte = len(encoded) / (before + len(KEY))
    cut = encoded[: int((before + length) * per_byte) + 1]
    assert REDACTED in redact(f"{{{cut}")


def test_less_than_the_beginning_is_none() -> None:
    assert redact(f"{KEY[: PREFIX - 1]}...") == f"{KEY[: PREFIX - 1]}..."


@settings(deadline=None)
@given(st.text())
def test_what_holds_no_secret_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 3))
def test_what_is_encoded_and_holds_no_secret_stays_as_it_is(content: bytes, times: int) -> None:
    for _ in range(times):
        content = base64.b64encode(content)
    text = content.decode("latin-1")
    assert redact(text) == text
    assert redact(content.hex()) == content.hex()


def test_ordinary_answers_stay_as_they_are() -> None:
    for secret in (
        "EMPTY",
        "1234567890",
        "password",
        "secretkey",
        "sk-no-key-required",
        "test-key",
    ):
        remember(secret)
    answers = [
        " ".join(map(str, range(1, 21))),
        ", ".join(map(str, range(1, 101))),
        "The secret key to a good pass word is that no key is required: empty, 12345678901.",
        "Please test keys: Passwords em pty the list.",
        "UUID 123e4567-e89b-12d3-a456-426614174000, req_011CQxyzABCDEFGH12345",
        *(path.read_text() for path in sorted(Path("docs").glob("*.md"))[:10]),
    ]
    for answer in answers:
        assert redact(answer) == re.sub(r"\b(EMPTY|password)\b", REDACTED, answer)
    assert redact('{"api_key": "EMPTY"}') == f'{{"api_key": "{REDACTED}"}}'


HEADERS = [
    ("Bearer sk-header-abc1234567", "sk-header-abc1234567"),
    ("Basic " + base64.b64encode(b"joe:hunter2-hunter2").decode(), "hunter2-hunter2"),
    ("session=5f2a77aa901bcd; theme=dark-mode-1", "5f2a77aa901bcd"),
]


@pytest.mark.parametrize(("value", "part"), HEADERS)
def test_the_secret_within_the_value_of_a_header_is_one(value: str, part: str) -> None:
    remember(value)
    assert redact(f"wrong key {part}!") == f"wrong key {REDACTED}!"
    assert redact(f"wrong header {value}!") == f"wrong header {REDACTED}!"


def test_secrets_that_come_and_go_are_forgotten_in_time_and_others_never() -> None:
    remember("sk-stays-0123456789")
    for number in range(350):
        remember(f"{number:03}-passing-0123456789", passing=True)
    assert redact("sk-stays-0123456789 349-passing-0123456789") == f"{REDACTED} {REDACTED}"
    assert redact("000-passing-0123456789") == "000-passing-0123456789"
    assert redact(KEY) == REDACTED


def test_an_answer_controls_no_terminal_and_reverses_no_text() -> None:
    said = "a\x1b]8;;http://x\x07b\x00\x9b2J\u202egpj.exe\u2066 \ud800\r\n\tc\r"
    shown = "a\ufffd]8;;http://x\ufffdb\ufffd\ufffd2J\ufffdgpj.exe\ufffd \ufffd\n\tc\ufffd"
    assert shown_answer(said) == shown
    human = "Zoë\xa0says: 👩\u200d💻, \u200f\u05e9\u05dc!\n"
    assert shown_answer(human) == human


INVISIBLE = {
    "color": "\x1b[1;31m",
    "color, one byte": "\x9b0m",
    "link": "\x1b]8;;http://x\x07",
    "title": "\x1b]0;x\x1b\\",
    "title, one byte": "\x9d0;x\x9c",
    "character set": "\x1b(B",
    "tag": "\U000e0041",
    "variation": "\U000e0101",
    "annotation": "\ufff9",
    "hangul filler": "\u3164",
    "blank of braille": "\u2800",
    "half of a character": "\ud83d",
    "replacement": "\ufffd",
}


@pytest.mark.parametrize("separator", INVISIBLE.values(), ids=INVISIBLE)
def test_a_key_that_something_invisible_splits_is_removed_whole(separator: str) -> None:
    split = separator.join((KEY[:18], KEY[18:]))
    escaped = json.dumps(separator)[1:-1]
    for text in (split, separator.join(KEY), split.replace(separator, escaped)):
        assert shown_answer(f"before {text} after") == f"before {REDACTED} after"
        assert presentable(f"before {text} after", 300) == f"before {REDACTED} after"


def test_a_key_within_a_terminal_sequence_is_removed() -> None:
    for key in (KEY, in_base64()(KEY), quote(KEY, safe="")):
        assert shown_answer(f"\x1b]8;;{key}\x07") == f"\ufffd]8;;{REDACTED}\ufffd"


ALTERNATING = {
    "percent": "%%%02x",
    "JSON": "\\u%04x",
    "HTML": "&#%d;",
}


@pytest.mark.parametrize("other", ALTERNATING.values(), ids=ALTERNATING)
@pytest.mark.parametrize("entity", ["&#%d", "&#x%x"])
def test_a_key_is_found_in_entities_without_semicolons_between_other_escapes(
    entity: str, other: str
) -> None:
    key = "".join((other, entity)[place % 2] % ord(one) for place, one in enumerate(KEY))
    assert redact(f"before {key} after") == f"before {REDACTED} after"


MANY = 200_000
HOSTILE = {
    "letters": "V" * MANY,
    "spaces": "a " * (MANY // 2),
    "backslashes": "\\" * MANY + "q",
    "percent of percent": "%" + "25" * (MANY // 2),
    "ampersands": "&amp;" * (MANY // 5),
    "entities": "&#65;" * (MANY // 5),
    "equals signs": "=\n" * (MANY // 2),
    "terminal strings": "\x1b]" * (MANY // 2),
    "terminal strings, one byte": "\x90" * MANY,
    "terminal sequences": "\x1b[" + "1;" * (MANY // 2),
    "terminal sequences, escaped": "\\u001b[0m" * (MANY // 9),
    "entities and percent": "&#37%26" * (MANY // 7),
    "short runs": ("A1" * 6 + "!") * (MANY // 13),
    "beginnings": KEY[: PREFIX - 1] * (MANY // 11),
    "keys": quote(KEY, safe="") * (MANY // 45),
    "towers": base64.b64encode(base64.b64encode(base64.b64encode(b"\\u0041" * 14000))).decode(),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_much_of_anything_comes_to_an_end(text: str) -> None:
    """The time is linear in the length of the text (see docs/performance.md). Otherwise, this would
    take hours."""
    redacted = redact(text)
    assert KEY not in redacted
    assert len(redacted) <= len(text)


def test_what_is_encoded_too_often_is_not_shown() -> None:
    """Noise that decodes to something else at each step, so no search can be complete."""
    noise = bytes(range(256)) * 800
    assert redact(noise.decode("latin-1")) in (NOT_SHOWN, noise.decode("latin-1"))


def test_what_is_shown_of_a_long_text_is_searched_to_its_end() -> None:
    said = "x" * 280 + "\n" * 5000 + KEY + "y" * MANY
    shown = presentable(said, 300)
    assert KEY[:PREFIX] not in shown
    assert len(shown) <= 300


CRASH = """
import logging, os, sys, threading
from exporter.process.logs import configure_logging
from exporter.settings.redaction import remember
KEY = os.environ["KEY"]
remember(KEY)
configure_logging("debug")
logging.getLogger("httpx").error("third party says %s", KEY)
logging.getLogger("httpx").error("%d", KEY)
thread = threading.Thread(target=lambda: {}[KEY]); thread.start(); thread.join()
class Last:
    def __del__(self):
        raise ValueError(KEY)
last = Last(); del last
raise RuntimeError(KEY)
"""


def test_no_traceback_and_no_third_partys_log_line_shows_a_secret() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CRASH],
        env={**os.environ, "KEY": KEY},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert ran.returncode == 1
    assert KEY not in ran.stdout + ran.stderr
    assert ran.stderr.count(REDACTED) >= 4
