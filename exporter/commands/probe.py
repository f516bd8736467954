"""The command ``probe``: ask now, show each result as it comes, and a summary."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from exporter.commands.asking import asked
from exporter.commands.configured import CONFIG, load
from exporter.commands.gate_run import GATE_PROBES, run_gate
from exporter.commands.terminal import Summary, closing, heading, line
from exporter.config.plan import Plan
from exporter.config.root import Config
from exporter.kinds.chat import DEFAULT_PROMPT
from exporter.observation import Observation
from exporter.process import loop
from exporter.providers import PROVIDERS
from exporter.result import ProbeResult
from exporter.settings.explain import explain
from exporter.site.result_json import result_to_json


@click.command()
@click.option("--config", "path", type=CONFIG, help="Probe a target of this configuration.")
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
@click.option("-n", "count", type=click.IntRange(1), help="How many probes: 1, or 20 at a gate.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--fail-on",
    type=click.Choice(["slo", "unknown"]),
    multiple=True,
    help="A gate: exit with 1 if an objective is broken (slo), or cannot be told to be kept, too "
    "(unknown). With --config; without --target all targets are judged.",
)
@click.option("--junit", type=click.Path(path_type=Path), help="Write the gate's verdicts here.")
def probe(
    path: Path | None,
    target: str | None,
    count: int | None,
    as_json: bool,
    fail_on: tuple[str, ...],
    junit: Path | None,
    **ad_hoc: str | int | None,
) -> None:
    """Probe now, show each result as it comes, and a summary.

    Exits with 1 if any probe failed; with --fail-on, if an objective is broken.
    """
    if (path is None) == (ad_hoc["provider"] is None):
        raise click.UsageError("give either --config and --target, or --provider and --model")
    if fail_on or junit:
        if path is None:
            raise click.UsageError("--fail-on and --junit need --config, which has the objectives")
        sys.exit(
            run_gate(_gated(load(path), target), count or GATE_PROBES, fail_on, as_json, junit)
        )
    plans = _plans_of(load(path), target) if path else _ad_hoc_plans(ad_hoc)
    ask = _ask_for_json if as_json else _ask_at_terminal
    results = loop.run(ask(plans, count or 1))
    sys.exit(0 if all(result.success for result in results) else 1)


def _gated(config: Config, target: str | None) -> tuple[Plan, ...]:
    """The plans that have objectives to be judged by."""
    plans = _plans_of(config, target) if target else config.plans()
    judged = tuple(plan for plan in plans if plan.target.slo)
    if not judged:
        raise click.UsageError("no target has an slo to judge it by; add one")
    return judged


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
    message, keys = explain(mistake, Config), mistake["loc"]
    if "api_key" in keys:
        return click.BadParameter(message, param_hint="--api-key-env")
    if isinstance(keys[-1], str):
        return click.BadParameter(message, param_hint=f"--{keys[-1].replace('_', '-')}")
    return click.UsageError(message)


async def _ask_for_json(plans: tuple[Plan, ...], count: int) -> list[ProbeResult]:
    observations = [observation async for observation in asked(plans, count)]
    results = [observation.result for observation in observations]
    document = {
        "results": [result_to_json(result) for result in results],
        "summary": asdict(Summary.of(observations)),
    }
    click.echo(json.dumps(document, indent=2))
    return results


async def _ask_at_terminal(plans: tuple[Plan, ...], count: int) -> list[ProbeResult]:
    target = plans[0].target
    click.echo(heading(f"{target.name}: {target.model} at {target.endpoint}"))
    observations: list[Observation] = []
    async for observation in asked(plans, count):
        observations.append(observation)
        click.echo(line(len(observations), observation.result))
    click.echo(closing(observations))
    return [observation.result for observation in observations]
