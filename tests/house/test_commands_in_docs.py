"""Every command line and every configuration in the documentation works when copied."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest
import yaml

from exporter.cli import main
from exporter.config.loading import config_file
from exporter.config.root import Config

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], key=str)
_BEGINNINGS = {"targets", "probes", "defaults", "budget"}
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield every code block in a language, with its location."""
    for page in PAGES:
        text = page.read_text()
        for match in _BLOCK.finditer(text):
            if match[2] == language:
                line = text.count("\n", 0, match.start()) + 1
                body = re.sub(rf"^{match[1]}", "", match[3], flags=re.MULTILINE)
                yield f"{page.relative_to(ROOT)}:{line}", body


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield every command line of ours, with continued lines joined."""
    for where, body in blocks("console"):
        for line in re.sub(r"\\\n\s*", " ", body).splitlines():
            if line.startswith("$ inference-exporter "):
                yield where, shlex.split(line, comments=True)[2:]


def configurations() -> Iterator[tuple[str, str]]:
    """Yield every block that is or starts a configuration."""
    for where, body in blocks("yaml"):
        try:
            parsed = yaml.safe_load(body)
        except yaml.YAMLError:
            continue
        whole = "..." not in body and isinstance(parsed, dict)
        if whole and parsed.keys() & _BEGINNINGS and parsed.keys() <= Config.model_fields.keys():
            yield where, body


COMMANDS, CONFIGURATIONS = [*commands()], [*configurations()]


def test_there_are_some() -> None:
    assert len(COMMANDS) > 15
    assert len(CONFIGURATIONS) > 10


@pytest.mark.parametrize(("where", "words"), COMMANDS, ids=lambda it: str(it)[:60])
def test_a_command_exists_with_its_options(where: str, words: list[str]) -> None:
    name, *arguments = words[2:] if words[0] == "--log-level" else words
    cut = next((n for n, word in enumerate(arguments) if word in {">", "|", "&"}), len(arguments))
    command = main.commands[name]
    with suppress(click.exceptions.Exit):  # --help
        command.make_context(name, arguments[:cut], parent=click.Context(main))


@pytest.mark.parametrize(("where", "body"), CONFIGURATIONS, ids=lambda it: str(it)[:60])
def test_a_configuration_can_be_loaded(
    where: str, body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in re.findall(r"prompts_file: (\S+\.jsonl)", body):
        (tmp_path / Path(name).name).write_text('{"prompt": "Hello."}\n')
        body = body.replace(name, Path(name).name)
    body = re.sub(r"^prices_file: .*\n?", "", body, flags=re.MULTILINE)  # an external large file
    path = tmp_path / "config.yaml"
    path.write_text(body)
    config_file.load(path)
