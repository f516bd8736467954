"""Prompts: read from a JSON Lines file, and made unique before they are sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, StringConstraints, ValidationError, WithJsonSchema

from exporter.settings.files import read_bytes
from exporter.settings.mistakes import ConfigError, Mistake, nearest
from exporter.settings.paths import loaded_by
from exporter.settings.yaml_lines import decode

MAX_FILE_BYTES = 16 << 20
_MAX_MISTAKES = 20
"""A file of another format is wrong on every line; the first ones tell enough."""

NONCE_BYTES = 8
NONCE_CHARACTERS = 2 * NONCE_BYTES + 2
"""How much longer the nonce makes a prompt: hexadecimal digits and an empty line."""


def with_nonce(prompt: str, nonce: str) -> str:
    """The prompt as it is sent: the nonce stands at the very start, since prompt caches match
    from the first token on."""
    return f"{nonce}\n\n{prompt}"


class _Line(BaseModel):
    """One line of the file. Further members, such as an id or a category, are passed over."""

    prompt: Annotated[str, StringConstraints(pattern=r"\S")]


@dataclass(frozen=True, slots=True)
class PromptsFile:
    """A prompts file and what was in it when the configuration was loaded."""

    path: Path
    prompts: tuple[str, ...]


def load_prompts(path: Path) -> tuple[str, ...]:
    """The prompts in a file of JSON lines, each ``{"prompt": "..."}``; empty lines are skipped.

    :raises ConfigError: the file cannot be read, holds no prompt, or a line is wrong.
    """
    prompts: list[str] = []
    mistakes: list[Mistake] = []
    for number, line in enumerate(decode(path, read_bytes(path, MAX_FILE_BYTES)).split("\n"), 1):
        if not line.strip():
            continue
        try:
            prompts.append(_Line.model_validate_json(line).prompt)
        except ValidationError as error:
            mistakes.append(Mistake(_explain(error), path, number))
    if mistakes:
        raise ConfigError(mistakes[:_MAX_MISTAKES])
    if not prompts:
        raise ConfigError([Mistake('holds no prompts; write {"prompt": "..."} on each line', path)])
    return tuple(prompts)


def _explain(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    match detail["type"]:
        case "missing" if meant := nearest("prompt", detail["input"]):
            wrong = f'there is no text named "prompt", but {meant!r}'
        case "missing" | "string_type":
            wrong = 'there is no text named "prompt"'
        case "string_pattern_mismatch":
            wrong = "the prompt is empty"
        case _:
            wrong = "this is not a JSON object"
    return f'{wrong}; write {{"prompt": "..."}}'


def _load(path: Path) -> PromptsFile:
    return PromptsFile(path, load_prompts(path))


LoadedPrompts = Annotated[
    PromptsFile,
    BeforeValidator(loaded_by(PromptsFile, _load)),
    WithJsonSchema({"type": "string", "format": "path"}),
]
"""Written as a path, read at once: a configuration is whole, or it is not loaded."""
