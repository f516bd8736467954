"""Kubernetes' own schemas, and those of the Prometheus operator's resources."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.conftest import TOOLS
from tests.deploy.variants import KUBERNETES_VERSION, Document

OPERATOR_GROUP = "monitoring.coreos.com/"


def validate(document: Document) -> None:
    """Validate strictly: unknown fields are errors.

    :raises Exception: the document doesn't match the schema.
    """
    if document["apiVersion"].startswith(OPERATOR_GROUP):
        jsonschema.validate(document, _definition(document["kind"], document["apiVersion"]))
    else:
        kubernetes_validate.validate(document, KUBERNETES_VERSION, strict=True)


@cache
def _definition(kind: str, api_version: str) -> Document:
    files = sorted(TOOLS.parent.glob(f"definitions/*/*_{kind.lower()}s.yaml"))
    if not files:
        pytest.skip("the definitions of the operator's resources are missing: run `make tools`")
    definition = yaml.safe_load(Path(files[-1]).read_text())
    version = api_version.removeprefix(OPERATOR_GROUP)
    served = [v for v in definition["spec"]["versions"] if v["name"] == version and v["served"]]
    schema = _closed(served[0]["schema"]["openAPIV3Schema"])
    assert isinstance(schema, dict)
    # The API server knows these fields without a definition.
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def _closed(schema: Any) -> Any:
    """Return the schema without unknown fields, which an API server would drop silently."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        closed["type"] = ["integer", "string"]
    if isinstance(pattern := schema.get("pattern"), str) and "(?i)" in pattern:
        closed["pattern"] = "(?i)" + pattern.replace("(?i)", "")  # Go allows it anywhere
    return closed
