"""Prompts in the shapes of real traffic: recorded chats, or pairs of input and output tokens.

Chats have ShareGPT's format, ``{"conversations": [{"from": "human", "value": "..."}, {"from":
"gpt", "value": "..."}]}``, or an API's, ``{"messages": [{"role": "user", "content": "..."},
...]}``. As in vLLM's own benchmark, the comparison sends the first question of each chat, and the
answer can be as long as the recorded one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from exporter.compare.sampling.prompts import Prompt, text_of
from exporter.settings.files import read_bytes
from exporter.settings.mistakes import ConfigError, Mistake
from exporter.settings.prompts import MAX_FILE_BYTES
from exporter.settings.yaml_lines import decode

_FORMS = '900,250 or [900, 250] or {"input_tokens": 900, "output_tokens": 250}, or a recorded chat'
_ASKING = ("human", "user")
_CHARACTERS_PER_TOKEN = 4
"""A rough value for English. The file doesn't contain the token count of a recorded answer."""
_MAX_MISTAKES = 20
_MOST_TOKENS = 1_000_000
_PAIR = re.compile(r"\s*(\d+)\s*[,;\t ]\s*(\d+)\s*")


class _Pair(BaseModel):
    input_tokens: int = Field(ge=1, le=_MOST_TOKENS)
    output_tokens: int = Field(ge=1, le=_MOST_TOKENS)


class _Turn(BaseModel):
    role: str = Field(alias="from")
    text: str = Field(alias="value")


class _Message(BaseModel):
    role: str
    text: str = Field(alias="content")


class _Chat(BaseModel):
    conversations: list[_Turn]


class _Messages(BaseModel):
    messages: list[_Message]


@dataclass(frozen=True, slots=True)
class Shapes:
    """The content of a file."""

    prompts: tuple[Prompt, ...]
    words: str
    """A description for the report."""


def load_shapes(path: Path) -> Shapes:
    """Create prompts from a file with pairs of token counts or recorded chats.

    :raises ConfigError: the file can't be read, or an entry is neither a pair nor a chat.
    """
    prompts: list[Prompt] = []
    mistakes: list[Mistake] = []
    for line, entry in _entries(decode(path, read_bytes(path, MAX_FILE_BYTES))):
        try:
            prompts += _prompts(entry, len(prompts))
        except ValidationError:
            mistakes.append(Mistake(f"neither tokens nor a chat; write {_FORMS}", path, line))
    if mistakes:
        raise ConfigError(mistakes[:_MAX_MISTAKES])
    if not prompts:
        raise ConfigError([Mistake(f"contains no prompts; write {_FORMS} on each line", path)])
    used = f"{len(prompts)} prompts in the shapes" if len(prompts) > 1 else "a prompt in the shape"
    return Shapes(tuple(prompts), f"The comparison used {used} of {path.name}.")


def _entries(text: str) -> Iterator[tuple[int, object]]:
    """Yield each entry with its line number: the items of one JSON list, or one entry per line."""
    whole = _parsed(text)
    if isinstance(whole, list) and whole and isinstance(whole[0], list | dict):
        yield from ((1, entry) for entry in whole)
        return
    for number, line in enumerate(text.splitlines(), 1):
        if match := _PAIR.fullmatch(line):
            yield number, [int(match[1]), int(match[2])]
        elif line.strip():
            yield number, _parsed(line)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _prompts(entry: object, number: int) -> Iterator[Prompt]:
    """Yield one prompt, or none if a chat has no question with an answer.

    :raises ValidationError: the entry is neither a pair nor a chat.
    """
    if isinstance(entry, dict) and "conversations" in entry:
        turns = [(t.role, t.text) for t in _Chat.model_validate(entry).conversations]
        yield from _first_question(turns)
    elif isinstance(entry, dict) and "messages" in entry:
        turns = [(m.role, m.text) for m in _Messages.model_validate(entry).messages]
        yield from _first_question(turns)
    else:
        shape = _Pair.model_validate(_named(entry))
        task = f"Pass over the text above. Count from 1 to {shape.output_tokens} in words."
        yield Prompt(
            text_of(shape.input_tokens, task, f"shape/{number}"),
            max_output_tokens=shape.output_tokens,
        )


def _named(entry: object) -> object:
    """Name the parts of a pair; return anything else unchanged."""
    if isinstance(entry, list) and len(entry) == len(_Pair.model_fields):
        return dict(zip(_Pair.model_fields, entry, strict=True))
    return entry


def _first_question(turns: list[tuple[str, str]]) -> Iterator[Prompt]:
    for (role, question), (answering, answer) in pairwise(turns):
        if role in _ASKING and answering not in _ASKING and question.strip() and answer.strip():
            yield Prompt(
                question, max_output_tokens=max(1, round(len(answer) / _CHARACTERS_PER_TOKEN))
            )
            return
