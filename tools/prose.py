"""A prose linter, for texts that a native technical writer would word differently.

``python -m tools.prose`` checks the documentation and the texts of alerts, dashboards, metrics, and
commands. The rules are in ``tools/prose.toml`` and follow the Google developer documentation style
guide.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from exporter.cli import main as program
from exporter.metrics.exporter_families import EXPORTER_FAMILIES
from exporter.metrics.target_families import TARGET_FAMILIES

ROOT = Path(__file__).parents[1]
_RULES = tomllib.loads((ROOT / "tools" / "prose.toml").read_text())
_NOT_PROSE = re.compile(
    r"^```.*?^```|^---$.*?^---$|<!--.*?-->|<[a-z/][^>]*>|``.+?``|`[^`\n]*`|\"[^\"\n]*\"|\]\([^)]*\)|https?://\S+",
    re.MULTILINE | re.DOTALL,
)
_SENTENCE_END = re.compile(r"(?<=[.!?:;])\s+|\n\s*\n|\n\s*(?:[-*|#]|\d+\.)|\|")


@dataclass(frozen=True, slots=True)
class Text:
    """A text for people."""

    where: str
    content: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem in a text."""

    where: str
    line: int
    said: str
    advice: str

    def __str__(self) -> str:
        return f"{self.where}:{self.line}: {self.said!r}: {self.advice}"


def texts() -> Iterator[Text]:
    """Yield all texts to check."""
    for pattern in _RULES["pages"]:
        for path in sorted(ROOT.glob(pattern)):
            yield Text(str(path.relative_to(ROOT)), path.read_text())
    yield from _alerts()
    for path in sorted((ROOT / "dashboards" / "json").glob("*.json")):
        for said in dict.fromkeys(_panels(json.loads(path.read_text()))):
            yield Text(f"dashboards/json/{path.name}", said)
    for family in (*TARGET_FAMILIES, *EXPORTER_FAMILIES):
        yield Text(f"help of {family.name}", family.help)
    yield from _helps(program, "inference-exporter")


def _alerts() -> Iterator[Text]:
    for path in sorted((ROOT / "deploy" / "prometheus").glob("*.yml")):
        for group in (yaml.safe_load(path.read_text()) or {}).get("groups", ()):
            for rule in group["rules"]:
                for name, said in rule.get("annotations", {}).items():
                    if not name.endswith("_url"):
                        yield Text(f"{name} of {rule['alert']}", re.sub(r"\{\{.*?\}\}", "5", said))


def _panels(value: Any) -> Iterator[str]:
    """Yield all titles and descriptions of a dashboard."""
    if isinstance(value, dict):
        said = (value.get(name) for name in ("title", "description"))
        yield from (text for text in said if isinstance(text, str))
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _panels(inner)


def _helps(command: click.Command, name: str) -> Iterator[Text]:
    yield Text(f"help of {name}", command.help or "")
    for option in command.params:
        if said := getattr(option, "help", None):
            yield Text(f"help of {name} {option.opts[-1]}", said)
    if isinstance(command, click.Group):
        for inner, each in command.commands.items():
            yield from _helps(each, f"{name} {inner}")


def findings(text: Text) -> Iterator[Finding]:
    """Yield the problems in a text."""
    prose = _NOT_PROSE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text.content)
    for rule in _RULES["rule"]:
        for match in re.finditer(
            rule["pattern"], prose, re.IGNORECASE if rule.get("any_case", True) else 0
        ):
            yield _finding(text, prose, match.start(), match[0], rule["advice"])
    start = 0
    for end in [*(match.start() for match in _SENTENCE_END.finditer(prose)), len(prose)]:
        words = prose[start:end].split()
        if len(words) > _RULES["longest_sentence_words"]:
            advice = f"is the beginning of {len(words)} words in one sentence; make two of them"
            yield _finding(
                text,
                prose,
                start + len(prose[start:end]) - len(prose[start:end].lstrip()),
                " ".join(words[:6]),
                advice,
            )
        start = end


def _finding(text: Text, prose: str, at: int, said: str, advice: str) -> Finding:
    return Finding(text.where, prose.count("\n", 0, at) + 1, " ".join(said.split()), advice)


def main() -> None:
    found: list[Any] = [finding for text in texts() for finding in findings(text)]
    sys.stdout.writelines(f"{finding}\n" for finding in found)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
