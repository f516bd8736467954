"""What a dialect reads is built before the first answer comes."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator

from exporter import providers
from exporter.providers.building import SHARED

READERS = {"parse", "parse_if", "read", "read_if"}
BUILT = """
from exporter.providers import anthropic, error_body, gemini, listing
from exporter.providers.building import build_models
build_models([listing.GeminiModels()])
built = gemini._ErrorBody, listing._GeminiModel, error_body._Body, error_body._Flat
assert all(model.__pydantic_complete__ for model in built)
assert not anthropic._Event.__pydantic_complete__
"""


def _models_read() -> Iterator[tuple[str, str]]:
    """Each module of dialects, with the module of each model that it reads."""
    for found in pkgutil.walk_packages(providers.__path__, f"{providers.__name__}."):
        module = importlib.import_module(found.name)
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            match node:
                case ast.Call(ast.Name(called), [ast.Name(model), *_]) if called in READERS:
                    if hasattr(module, model):
                        yield found.name, getattr(module, model).__module__


def test_a_dialect_reads_models_of_its_own_module_and_of_the_shared_ones() -> None:
    read = set(_models_read())
    assert len(read) > 10
    assert {(by, of) for by, of in read if of != by and of not in SHARED} == set()


def test_the_models_of_a_dialect_are_built_and_no_others() -> None:
    subprocess.run([sys.executable, "-c", BUILT], check=True)
