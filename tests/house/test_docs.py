"""The documentation matches the code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from exporter.config.loading.config_file import load
from exporter.config.loading.schema import json_schema
from exporter.config.root import Config
from exporter.kinds import KINDS
from exporter.providers import PRESETS, PROVIDERS, Provider
from exporter.result import FailureReason
from exporter.settings.units import format_duration
from tools.tables import filled

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CONFIGURATION = (DOCS / "configuration.md").read_text()
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")],
    key=str,
)
SCHEMA: dict[str, Any] = json.loads(json_schema())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_table_says_what_is_declared(path: Path) -> None:
    page = path.read_text()
    assert filled(page) == page, "run `make tables`"


@pytest.mark.parametrize("reason", FailureReason)
def test_every_failure_reason_is_explained(reason: FailureReason) -> None:
    assert f"`{reason}`" in (DOCS / "measurement.md").read_text()


Keys = dict[str, tuple[Mapping[str, Any], bool]]
"""The schema of each key, and whether it is required, by dotted path."""


def models_in(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the models that a value can contain, each with the path from the key of the value."""
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2], "."
    for inner in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from models_in(inner)
    for container, between in (("items", "[]"), ("additionalProperties", ".NAME")):
        if isinstance(schema.get(container), dict):
            yield from ((model, between + after) for model, after in models_in(schema[container]))


def keys_of(model: Mapping[str, Any], path: str, seen: set[str]) -> Iterator[tuple[str, Any]]:
    """Yield every key once, even if its model is used in several places."""
    for name, schema in model.get("properties", {}).items():
        yield f"{path}{name}", (schema, name in model.get("required", ()))
        for inner, between in models_in(schema):
            if inner not in seen:
                seen.add(inner)
                yield from keys_of(SCHEMA["$defs"][inner], f"{path}{name}{between}", seen)


KEYS: Keys = dict(reversed([*keys_of(SCHEMA, "", set())]))
"""A key that several kinds of probes share is documented as in the first of them."""


def default_of(key: str) -> str | None:
    """Return a simple default as the documentation writes it, or ``None`` if it needs words."""
    schema, required = KEYS[key]
    match schema.get("default"):
        case None:
            return "required" if required else ""
        case bool(default):
            return f"`{str(default).lower()}`"
        case float(default):
            return f"`{format_duration(default)}`"
        case int(default) | str(default):
            return f"`{default}`"
    return None


def test_the_keys_are_found_at_every_depth() -> None:
    assert {"web.listen", "targets[].tls.ca_file", "probes.NAME.expect.regex"} <= KEYS.keys()


@pytest.mark.parametrize("key", KEYS)
def test_every_setting_is_documented_with_its_default(key: str) -> None:
    found = re.search(rf"^\| `{re.escape(key)}` \| (.*?) ?\| ", CONFIGURATION, re.MULTILINE)
    if found is None:  # a section with its own heading
        assert f"`{key}`" in "".join(re.findall("^## .*", CONFIGURATION, re.MULTILINE))
    elif (default := default_of(key)) and found[1] != "all":
        assert found[1] == default


def test_nothing_is_documented_that_does_not_exist() -> None:
    documented = re.findall(r"^\| `([a-zA-Z_.\[\]]+)` \|", CONFIGURATION, re.MULTILINE)
    assert set(documented) <= KEYS.keys()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_has_a_page_in_the_index(provider: str) -> None:
    index = (DOCS / "providers" / "README.md").read_text()
    assert f"| `{provider}` |" in index
    assert f"({provider}.md)" in index


@pytest.mark.parametrize("row", PROVIDERS.values(), ids=PROVIDERS)
def test_the_index_says_whose_prices_hold(row: Provider) -> None:
    index = (DOCS / "providers" / "README.md").read_text()
    (line,) = re.findall(rf"^\| `{row.name}` \|.*", index, re.MULTILINE)
    names = ", ".join(f"`{name}`" for name in row.billed_as) or "by host"
    assert f"| {names} |" in line


def test_the_matrix_says_what_each_provider_can_be_asked() -> None:
    page = (DOCS / "kinds.md").read_text()
    matrix, *_ = page[page.index("| provider |") :].split("\n\n")
    head, *lines = re.findall(r"^\| .*", matrix, re.MULTILINE)
    kinds = [cell.strip(" `") for cell in head.split("|")[2:-1]]
    assert kinds == [*KINDS]
    told = {}
    for line in lines:
        name, *cells = (cell.strip() for cell in line.split("|")[1:-1])
        told[name.strip("`")] = {kind for kind, cell in zip(kinds, cells, strict=True) if cell}
    assert told == {name: {*row.kinds} for name, row in PROVIDERS.items()}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_documented_with_its_endpoint(preset: str) -> None:
    page = (DOCS / "providers" / "openai.md").read_text()
    (row,) = re.findall(rf"^\| `{preset}` \|.*", page, re.MULTILINE)
    assert (PRESETS[preset].base_url or "") in row


def anchors(page: Path) -> set[str]:
    """Return the anchors in a page, derived from its headings like on GitHub."""
    headings = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


EXAMPLE = DOCS / "example-config.yaml"


def test_the_example_loads() -> None:
    assert isinstance(load(EXAMPLE), Config)


def valid(document: object) -> bool:
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(document)


def test_the_example_is_what_the_schema_says() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(yaml.safe_load(EXAMPLE.read_text()), SCHEMA)


@pytest.mark.parametrize(
    "change",
    [
        {"targetz": []},
        {"defaults": {"interval": "soon"}},
        {"defaults": {"interval": 0}},
        {"defaults": {"connection": "keep"}},
        {"targets": {}},
        {"targets": [{"name": "a", "provider": "openai"}]},
        {"targets": [{"name": "a", "provider": "opnai", "model": "m"}]},
        {"targets": [{"name": "a", "provider": "openai", "model": "m", "preset": "grok"}]},
        {"targets": [{"name": "a", "provider": "openai", "model": "m", "api_key": "sk-1"}]},
        {"probes": {"p": {"prompt": "hi", "max_output_tokens": 0}}},
    ],
)
def test_the_schema_refuses_what_would_be_refused(change: dict[str, Any]) -> None:
    example = yaml.safe_load(EXAMPLE.read_text())
    assert valid(example)
    assert not valid({**example, **change})
