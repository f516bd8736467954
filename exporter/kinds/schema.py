"""Answers that must keep a JSON Schema."""

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
    """Judges values by a schema.

    :raises ValueError: this is no JSON Schema, or it refers to one that would have to be fetched.
    """
    import jsonschema_rs  # noqa: PLC0415  3 MB, which most configurations have no use for

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
    """Why an answer does not keep a schema; ``None`` where it does.

    :param what: the answer, as people are told of it.
    """
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return f"{what} is not JSON"
    wrong = next(iter(validator.iter_errors(value)), None)
    if wrong is None:
        return None
    where = ".".join(map(str, wrong.instance_path)) or what
    return f"{where} does not keep the schema: {wrong.message}"
