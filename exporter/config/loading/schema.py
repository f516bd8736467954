"""JSON Schema of the configuration, for editors, with the docstring of each key.

Pydantic can read docstrings too (``use_attribute_docstrings``), but does so whenever it imports a
model. That took a fifth of the exporter's start time.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from exporter.config.root import Config


def json_schema() -> str:
    """Return the JSON Schema of the main file."""
    schema = Config.model_json_schema(schema_generator=_Described)
    return json.dumps(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2
    )


class _Described(GenerateJsonSchema):
    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        described, model = super().model_schema(schema), schema["cls"]
        properties = described.get("properties", {})
        for name, text in _texts(model).items():
            if field := model.model_fields.get(name):
                properties[field.alias or name].setdefault("description", text)
        return described


def _texts(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstring of each field of a model, inherited fields included."""
    found: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if issubclass(part, BaseModel) and part is not BaseModel:
            found |= _documented(part.__module__).get(part.__name__, {})
    return found


@lru_cache
def _documented(module: str) -> dict[str, dict[str, str]]:
    """Return the docstrings of all fields in a module, by class and field."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {one.name: dict(_below(one)) for one in tree.body if isinstance(one, ast.ClassDef)}


def _below(declared: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(declared.body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(docstring))),
            ):
                yield name, inspect.cleandoc(docstring)
