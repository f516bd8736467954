"""Checks answers against a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, JsonValue

if TYPE_CHECKING:
    import jsonschema_rs


def _retrieve_nothing(uri: str) -> JsonValue:
    raise ValueError("schemas are not fetched")


def validator_of(schema: Mapping[str, JsonValue]) -> jsonschema_rs.Validator:
    """A validator for a schema.

    :raises ValueError: the schema is invalid, or refers to another one that must be fetched.
    """
    import jsonschema_rs  # noqa: PLC0415  3 MB that most configurations don't need

    try:
        return jsonschema_rs.validator_for(dict(schema), retriever=_retrieve_nothing)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        raise ValueError(f"is not a valid JSON Schema: {str(error).splitlines()[0]}") from None


def _checked(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    validator_of(schema)
    return schema


JsonSchema = Annotated[dict[str, JsonValue], AfterValidator(_checked)]


def schema_mistake(
    answer: str, validator: jsonschema_rs.Validator, what: str = "the answer"
) -> str | None:
    """Why an answer does not match a schema; ``None`` if it does.

    :param what: the name of the answer in the message.
    """
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return f"{what} is not JSON"
    wrong = next(iter(validator.iter_errors(value)), None)
    if wrong is None:
        return None
    where = ".".join(map(str, wrong.instance_path)) or what
    return f"{where} does not match the schema: {wrong.message}"
