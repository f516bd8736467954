"""ARCHITECTURE.md mentions only what exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES = 300
PAGE = (ROOT / "ARCHITECTURE.md").read_text()
PROSE = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
QUOTED = sorted(set(re.findall(r"`([^`\n]+)`", PROSE)))
PATHS = [name for name in QUOTED if re.fullmatch(r"[\w./-]*/[\w./-]*|[\w-]+\.toml", name)]
NAMES = [name for name in QUOTED if re.fullmatch(r"[A-Z]\w+(\.\w+)?|[a-z]+_[a-z_]+", name)]


@cache
def defined() -> frozenset[str]:
    """Return every function, class, and class member in the package. Members are Class.member."""
    names: set[str] = set()
    for path in (ROOT / "exporter").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            if isinstance(node, ast.ClassDef):
                members = (n for n in node.body if hasattr(n, "name"))
                names.update(f"{node.name}.{member.name}" for member in members)
    return frozenset(names)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_defined(name: str) -> None:
    assert name in defined()


def test_every_package_is_described() -> None:
    rooms = {
        f"exporter/{path.name}/"
        for path in (ROOT / "exporter").iterdir()
        if (path / "__init__.py").exists()
    }
    assert rooms <= set(PATHS)


def test_the_top_of_the_package_stays_small() -> None:
    modules = list((ROOT / "exporter").glob("*.py"))
    assert len(modules) <= 8, "a module at the top is one more thing to read first"


@pytest.mark.parametrize("folder", ["exporter", "dashboards", "benchmarks", "tools"])
def test_every_file_fits_in_one_sitting(folder: str) -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / folder).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert not long
