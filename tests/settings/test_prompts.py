"""Prompt files: valid ones, invalid ones, and the nonce."""

from __future__ import annotations

import json
from itertools import cycle, islice
from pathlib import Path

import pytest

from exporter.kinds import Chat
from exporter.settings.mistakes import ConfigError
from exporter.settings.prompts import MAX_FILE_BYTES, load_prompts, with_nonce


def prompts_file(folder: Path, content: bytes | str) -> Path:
    path = folder / "prompts.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_each_line_is_a_prompt_and_empty_lines_are_none(tmp_path: Path) -> None:
    path = prompts_file(tmp_path, '\n{"prompt": "one"}\r\n\n{"prompt": "two\\nlines"}')
    assert load_prompts(path) == ("one", "two\nlines")


def test_further_members_and_a_byte_order_mark_are_passed_over(tmp_path: Path) -> None:
    path = prompts_file(tmp_path, b'\xef\xbb\xbf{"id": 7, "prompt": "hi", "tags": ["a"]}\n')
    assert load_prompts(path) == ("hi",)


def test_separators_that_are_no_line_ends_stay_in_the_prompt(tmp_path: Path) -> None:
    text = "a\u2028b\x85c"
    path = prompts_file(tmp_path, json.dumps({"prompt": text}, ensure_ascii=False))
    assert load_prompts(path) == (text,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ': contains no prompts; write {"prompt": "..."} on each line'),
        ("\n\n", ": contains no prompts"),
        ('{"prompt": "a"}\nhello', ":2: this is not a JSON object"),
        ('{"prompt": "a"}\n["b"]', ":2: this is not a JSON object"),
        ('{"promt": "a"}', ':1: there is no text named "prompt"'),
        ('{"prompt": 7}', ':1: there is no text named "prompt"'),
        ('{"prompt": " "}', ":1: the prompt is empty"),
        (b'{"prompt": "a"}\n\xff', ":2: is not UTF-8 text"),
        (b" " * (MAX_FILE_BYTES + 1), ": is longer than 16 MiB"),
    ],
    ids=lambda value: str(value[:20]),
)
def test_what_cannot_be_read_is_told_with_its_line(
    content: bytes | str, message: str, tmp_path: Path
) -> None:
    path = prompts_file(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        load_prompts(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_only_the_first_of_many_mistakes_are_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_prompts(prompts_file(tmp_path, "no\n" * 1000))
    assert [mistake.line for mistake in caught.value.mistakes] == list(range(1, 21))


def test_a_probe_asks_the_prompts_in_turn(tmp_path: Path) -> None:
    path = prompts_file(tmp_path, '{"prompt": "one"}\n{"prompt": "two"}\n')
    probe = Chat.model_validate({"prompts_file": str(path)})
    assert list(islice(cycle(probe.texts), 3)) == ["one", "two", "one"]


def test_a_nonce_stands_before_everything_else() -> None:
    """A prompt cache matches from the first token, so the nonce must come first."""
    assert with_nonce("hello", "4f1c") == "4f1c\n\nhello"
