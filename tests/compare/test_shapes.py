"""Prompts in the shapes of real traffic."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exporter.compare.options import Asking
from exporter.compare.sampling.parties import plans_of
from exporter.compare.sampling.shapes import load_shapes
from exporter.config.root import Config
from exporter.settings.mistakes import ConfigError

CHAT = {
    "id": "1",
    "conversations": [
        {"from": "system", "value": "Be brief."},
        {"from": "human", "value": "What is a nonce?"},
        {"from": "gpt", "value": "A number that is used once. " * 10},
        {"from": "human", "value": "Why?"},
    ],
}
MESSAGES = {
    "messages": [
        {"role": "user", "content": "Name three rivers."},
        {"role": "assistant", "content": "Nile, Amazon, Rhine."},
    ]
}


def shapes_file(folder: Path, text: str) -> Path:
    path = folder / "shapes.jsonl"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "900,250\n40, 8\n",
        "900\t250\n\n40 8",
        "[900, 250]\n[40, 8]\n",
        '{"input_tokens": 900, "output_tokens": 250}\n{"input_tokens": 40, "output_tokens": 8}',
        "[[900, 250], [40, 8]]",
    ],
)
def test_pairs_of_tokens_become_prompts_of_that_shape(tmp_path: Path, text: str) -> None:
    found = load_shapes(shapes_file(tmp_path, text))

    assert [prompt.max_output_tokens for prompt in found.prompts] == [250, 8]
    words = [len(prompt.text.split()) for prompt in found.prompts]
    assert words == [pytest.approx(810, abs=12), pytest.approx(36, abs=12)]
    assert found.words == "The comparison used 2 prompts in the shapes of shapes.jsonl."


def test_a_single_prompt_is_one(tmp_path: Path) -> None:
    found = load_shapes(shapes_file(tmp_path, "900,250\n"))

    assert found.words == "The comparison used a prompt in the shape of shapes.jsonl."


@pytest.mark.parametrize(("count", "used"), [(1, "the only prompt"), (3, "the 3 prompts")])
def test_own_prompts_are_counted_in_words(tmp_path: Path, count: int, used: str) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "Count."}\n' * count)
    targets = [{"name": name, "provider": "openai", "model": name} for name in "ab"]
    config = Config.model_validate({"targets": targets})
    _, question = plans_of(config, "a", ["b"], Asking(prompts_file=path))

    assert question.words == f"The comparison used {used} of prompts.jsonl."


@pytest.mark.parametrize(
    "text", [json.dumps([CHAT, MESSAGES]), f"{json.dumps(CHAT)}\n{json.dumps(MESSAGES)}\n"]
)
def test_of_a_recorded_chat_the_first_question_is_asked(tmp_path: Path, text: str) -> None:
    prompts = load_shapes(shapes_file(tmp_path, text)).prompts

    assert [prompt.text for prompt in prompts] == ["What is a nonce?", "Name three rivers."]
    assert [prompt.max_output_tokens for prompt in prompts] == [70, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "contains no prompts"),
        ("900,250\nmany,few\n", ":2: neither tokens nor a chat; write 900,250"),
        ("0,250", "neither tokens nor a chat"),
        ('{"prompt": "Hello."}', "neither tokens nor a chat"),
        ('{"conversations": 7}', "neither tokens nor a chat"),
        ('{"conversations": [{"from": "human", "value": "Hello?"}]}', "contains no prompts"),
        ("[" * 100_000, "neither tokens nor a chat"),
    ],
)
def test_what_has_no_shape_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_shapes(shapes_file(tmp_path, text))
    assert message in str(raised.value)
