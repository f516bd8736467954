"""The command line: ``inference-exporter``."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.live import Live

from exporter import __version__
from exporter.app import Exporter, FileSource
from exporter.check import report
from exporter.compare.command import compare
from exporter.config import DEFAULT_PROMPT, Config, Plan, Web
from exporter.demo import run_demo, run_simulator
from exporter.loading import config_file
from exporter.loading.config_file import ConfigError
from exporter.loading.explain import explain
from exporter.logs import configure_logging
from exporter.net import loop
from exporter.probe import run_probe
from exporter.providers import PROVIDERS
from exporter.result import ProbeResult
from exporter.result_json import result_to_json
from exporter.sharding import Shard
from exporter.terminal import Summary, console, show
from exporter.transport import Connections
from exporter.web import WebError

_Command = TypeVar("_Command", bound=Callable[..., Any])
_CONFIG = click.Path(path_type=Path)
_LEVELS = click.Choice(["debug", "info", "warning", "error"])


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--log-level", type=_LEVELS, default="info", show_default=True)
def main(log_level: str) -> None:
    """Continuous monitoring of LLM inference, for Prometheus."""
    configure_logging(log_level)


@main.command()
@click.option("--config", "path", type=_CONFIG, required=True, help="The YAML configuration.")
@click.option(
    "--shard",
    default="0/1",
    show_default=True,
    metavar="I/N",
    callback=lambda _context, _option, text: _shard(text),
    help="Probe the I-th of N parts of the targets; auto/N: I is the host name's last number.",
)
def run(path: Path, shard: Shard) -> None:
    """Probe every configured target on its schedule and serve /metrics."""
    _serve(_run_exporter(path, shard))


main.add_command(compare)


def _shard(text: str) -> Shard:
    try:
        return Shard.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


async def _run_exporter(path: Path, shard: Shard) -> None:
    await Exporter(FileSource(path, shard)).run(on_started=lambda url: None)


def _address(_context: click.Context, _option: click.Parameter, listen: str) -> str:
    try:
        return Web(listen=listen).listen
    except ValidationError as error:
        raise click.BadParameter(explain(error.errors(include_url=False)[0])) from None


def _listen_option(default: str) -> Callable[[_Command], _Command]:
    return click.option(
        "--listen", default=default, show_default=True, callback=_address, help="HOST:PORT"
    )


@main.command()
@_listen_option("127.0.0.1:9850")
def demo(listen: str) -> None:
    """Run against simulated providers: no keys, no network, no file."""
    _serve(run_demo(listen))


@main.command()
@_listen_option("127.0.0.1:9851")
def simulate(listen: str) -> None:
    """Run the provider simulator alone."""
    try:
        asyncio.run(run_simulator(*Web(listen=listen).host_and_port))
    except KeyboardInterrupt:
        pass
    except OSError as error:
        _fail(error)


@main.command("check-config")
@click.argument("path", metavar="FILE", type=_CONFIG)
def check_config(path: Path) -> None:
    """Validate a configuration; print its targets, probes per day and estimated spend."""
    click.echo(report(_load(path)), nl=False)


@main.command("config-schema")
def config_schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    click.echo(config_file.json_schema())


@main.command()
@click.option("--config", "path", type=_CONFIG, help="Probe a target of this configuration.")
@click.option("--target", help="Name of the target, with --config.")
@click.option("--provider", type=click.Choice(sorted(PROVIDERS)), help="Probe without a file.")
@click.option("--preset", help="Which server speaks it, with --provider openai.")
@click.option("--model", help="Name of the model, with --provider.")
@click.option("--base-url", help="Where the API lives, with --provider.")
@click.option("--region", help="Region of the API, with --provider.")
@click.option("--api-version", help="Version of the API, with --provider.")
@click.option("--api-key-env", metavar="NAME", help="Variable that holds the key.")
@click.option("--prompt", default=DEFAULT_PROMPT, help="What to ask, with --provider.")
@click.option("--max-output-tokens", type=int, default=64, show_default=True)
@click.option("--timeout", default="30s", show_default=True, help="With --provider.")
@click.option("-n", "count", type=click.IntRange(1), default=1, help="How many probes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def probe(
    path: Path | None, target: str | None, count: int, as_json: bool, **ad_hoc: str | int | None
) -> None:
    """Probe now, show each result as it comes, and a summary.

    Exits with 1 if any probe failed.
    """
    if (path is None) == (ad_hoc["provider"] is None):
        raise click.UsageError("give either --config and --target, or --provider and --model")
    plans = _plans_of(_load(path), target) if path else _ad_hoc_plans(ad_hoc)
    ask = _ask_for_json if as_json else _ask_at_terminal
    results = loop.run(ask(plans, count))
    sys.exit(0 if all(result.success for result in results) else 1)


def _plans_of(config: Config, target: str | None) -> tuple[Plan, ...]:
    plans = tuple(plan for plan in config.plans() if plan.target.name == target)
    if not plans:
        names = ", ".join(sorted({plan.target.name for plan in config.plans()}))
        wrong = f"no target is named {target!r}" if target else "--target is missing"
        raise click.UsageError(f"{wrong}; the configuration has {names or 'none'}")
    return plans


def _ad_hoc_plans(options: dict[str, str | int | None]) -> tuple[Plan, ...]:
    """What the options say, read as the configuration file would be."""
    if not options["model"]:
        raise click.UsageError("--model is missing")
    key = options.pop("api_key_env")
    probe = {name: options.pop(name) for name in ("prompt", "max_output_tokens")}
    defaults = {"timeout": options.pop("timeout")}
    target = {**options, "name": options["model"], "api_key": {"env": key} if key else None}
    config = {"defaults": defaults, "probes": {"cli": probe}, "targets": [target]}
    try:
        return Config.model_validate(config).plans()
    except ValidationError as error:
        raise _usage_error(error.errors(include_url=False)[0]) from None


def _usage_error(mistake: ErrorDetails) -> click.UsageError:
    """The mistake, at the option that holds the key of the configuration where it is."""
    message, keys = explain(mistake), mistake["loc"]
    if "api_key" in keys:
        return click.BadParameter(message, param_hint="--api-key-env")
    if isinstance(keys[-1], str):
        return click.BadParameter(message, param_hint=f"--{keys[-1].replace('_', '-')}")
    return click.UsageError(message)


async def _results(plans: tuple[Plan, ...], count: int) -> AsyncIterator[ProbeResult]:
    for plan in plans:
        connections = Connections(plan.target)
        prompts = cycle(plan.probe.prompts)
        try:
            for prompt in islice(prompts, count):
                yield await run_probe(plan, prompt, connections)
        finally:
            await connections.retire()


async def _ask_for_json(plans: tuple[Plan, ...], count: int) -> list[ProbeResult]:
    results = [result async for result in _results(plans, count)]
    document = {
        "results": [result_to_json(result) for result in results],
        "summary": asdict(Summary.of(results)),
    }
    click.echo(json.dumps(document, indent=2))
    return results


async def _ask_at_terminal(plans: tuple[Plan, ...], count: int) -> list[ProbeResult]:
    target = plans[0].target
    title = f"{target.name}: {target.model} at {target.endpoint}"
    results: list[ProbeResult] = []
    out = console()
    with Live(show(title, results), console=out, auto_refresh=False, transient=True) as live:
        async for result in _results(plans, count):
            results.append(result)
            live.update(show(title, results), refresh=True)
    out.print(show(title, results))  # whole, where the live table may be cut to the screen
    return results


def _load(path: Path) -> Config:
    try:
        return config_file.load(path)
    except ConfigError as error:
        _fail(error)


def _serve(main: Coroutine[Any, Any, None]) -> None:
    try:
        loop.run(main)
    except (ConfigError, WebError) as error:
        _fail(error)


def _fail(error: Exception) -> NoReturn:
    click.echo(str(error), err=True)
    sys.exit(1)
