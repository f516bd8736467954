"""Reads prompts from a JSON Lines file, and makes each prompt unique before it is sent."""

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
"""A file in another format has an error on every line; the first ones are enough."""

NONCE_BYTES = 8
NONCE_CHARACTERS = 2 * NONCE_BYTES + 2
"""The number of characters that a nonce adds to a prompt: hexadecimal digits and an empty line."""


def with_nonce(prompt: str, nonce: str) -> str:
    """Put a nonce before a prompt, because prompt caches match from the first token on."""
    return f"{nonce}\n\n{prompt}"


class _Line(BaseModel):
    """One line of the file. Other members, such as an ID or a category, are ignored."""

    prompt: Annotated[str, StringConstraints(pattern=r"\S")]


@dataclass(frozen=True, slots=True)
class PromptsFile:
    """A prompts file and its content when the configuration was loaded."""

    path: Path
    prompts: tuple[str, ...]


def load_prompts(path: Path) -> tuple[str, ...]:
    """Read the prompts in a JSON Lines file, each ``{"prompt": "..."}``; skip empty lines.

    :raises ConfigError: the file can't be read, contains no prompts, or has an invalid line.
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
        message = 'contains no prompts; write {"prompt": "..."} on each line'
        raise ConfigError([Mistake(message, path)])
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
"""A path in the file. Validation reads the file at once, so a loaded configuration is complete."""
