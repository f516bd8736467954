"""The command ``init``: writes a first configuration from what it finds on this host."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import click

from exporter.commands.autodetect import Suggestion, hosted, local
from exporter.commands.check_report import report
from exporter.commands.configured import load
from exporter.commands.failing import fail
from exporter.config.target import MAX_NAME_CHARACTERS
from exporter.settings.presentable import printable

_HEAD = """\
# Configuration of inference-exporter, written by `inference-exporter init`.
#
#   inference-exporter check-config {name}   # targets, probes per day, estimated spend
#   inference-exporter run --config {name}   # http://localhost:9850/metrics

web:
  listen: 127.0.0.1:9850         # 0.0.0.0:9850 if Prometheus runs on another host
  # enable_lifecycle: true       # allow POST /-/reload

defaults:                        # for targets that don't set their own
  interval: 60s
  timeout: 30s

probes:                          # what to send; every prompt starts with a fresh nonce
  short:
    prompt: "Count from 1 to 20, separated by spaces."
    max_output_tokens: 64
    expect: {{regex: "\\\\b20\\\\b"}}

# budget: {{usd_per_day: 5, state_file: spent.json}}
# prices_file: model_prices_and_context_window.json   # LiteLLM's price file, for the cost of probes

"""
_NONE = """\
targets: []                      # no API key or model server found; an example target:
  # - name: my-model
  #   provider: openai           # also vLLM, SGLang, TGI, llama.cpp, LiteLLM, ... with a base_url
  #   base_url: http://127.0.0.1:8000/v1
  #   model: qwen3-32b
  #   api_key: {env: MY_API_KEY}
"""


@click.command()
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("config.yaml"),
    show_default=True,
    help="File to write.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(path: Path, force: bool) -> None:
    """Write a first configuration for what it finds here.

    It looks for API keys in the environment and for model servers on this host. It writes no keys
    and spends no tokens.
    """
    found = [*hosted(), *local()]
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(written(found, path.name))
    except FileExistsError:
        fail(
            f"{path} already exists; use --force to overwrite it, or --output to write another file"
        )
    except OSError as error:
        fail(f"cannot write {path}: {error.strerror}")
    for it in found:
        click.echo(f"found {printable(it.name)}: {it.why}")
    if not found:
        click.echo("found no API key in the environment and no model server on this host", err=True)
    click.echo(f"\n{path}:\n{report(load(path))}")
    if not found:
        click.echo(f"Add a target to {path}; the file has an example.")
        sys.exit(1)
    click.echo(f"To start probing: inference-exporter run --config {path}")


def written(found: Iterable[Suggestion], name: str) -> str:
    """The configuration with these targets, as commented YAML."""
    targets = [line for it in _with_names(found) for line in _target(it)]
    end = "targets:                         # where to send it\n" + "".join(targets)
    return _HEAD.format(name=name) + (end if targets else _NONE)


def _with_names(found: Iterable[Suggestion]) -> Iterator[Suggestion]:
    """Make the names unique and short enough."""
    taken: set[str] = set()
    for it in found:
        name = _free_name(it.name, taken)
        taken.add(name)
        yield replace(it, name=name)


def _free_name(wanted: str, taken: Collection[str]) -> str:
    """The name or, if it is taken, the name with the first free number."""
    name, numbers = wanted[:MAX_NAME_CHARACTERS], count(2)
    while name in taken:
        number = f" {next(numbers)}"
        name = wanted[: MAX_NAME_CHARACTERS - len(number)] + number
    return name


def _target(it: Suggestion) -> Iterator[str]:
    yield f"  - name: {json.dumps(it.name)}   # {it.why}\n"
    yield f"    provider: {it.provider}\n"
    yield f"    model: {json.dumps(it.model)}\n"
    for key, value in it.more.items():
        yield f"    {key}: {value}\n"
    yield "    # price: {input: 0.25, output: 2.0}   # USD per million tokens\n"
    yield "    # slo: {success_ratio: 0.99, time_to_first_token: {threshold: 2s, ratio: 0.95}}\n"
