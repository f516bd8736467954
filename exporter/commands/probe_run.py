"""Runs ``probe``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from exporter.commands.configured import load
from exporter.commands.gate_run import Gate, run_gate
from exporter.commands.probe_now import probe_plans
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


def probe(plans: tuple[Plan, ...], count: int, as_json: bool) -> int:
    """Probe every plan ``count`` times, print the results, and return the exit code."""
    results = loop.run((_print_json if as_json else _print_lines)(plans, count))
    return 0 if all(result.success for result in results) else 1


def judge(path: Path, target: str | None, gate: Gate) -> int:
    """Run the gate on the targets of a configuration, and return the exit code.

    :raises click.UsageError: no target has objectives.
    """
    config = load(path)
    plans = _named(config, target) if target else config.plans()
    if not gate.of_usual:
        plans = tuple(plan for plan in plans if plan.objectives)
    if not plans:
        raise click.UsageError(
            "no target has an slo that its probes can meet; add one, such as"
            " slo: {success_ratio: 0.99}, or use --fail-on usual"
        )
    return run_gate(plans, gate)


def plans_of(path: Path, target: str | None) -> tuple[Plan, ...]:
    """The plans of one target of a configuration.

    :raises click.UsageError: no target has this name.
    """
    return _named(load(path), target)


def ad_hoc_plans(options: dict[str, str | int | None]) -> tuple[Plan, ...]:
    """The plans of a target that the options describe, validated like a configuration file.

    :raises click.UsageError: an option is invalid.
    """
    if options["provider"] not in PROVIDERS:
        known = ", ".join(sorted(PROVIDERS))
        raise click.BadParameter(
            f"{options['provider']!r} is not one of {known}", param_hint="--provider"
        )
    if options["prompt"] is None:
        options["prompt"] = DEFAULT_PROMPT
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


def _named(config: Config, target: str | None) -> tuple[Plan, ...]:
    plans = tuple(plan for plan in config.plans() if plan.target.name == target)
    if not plans:
        names = ", ".join(sorted({plan.target.name for plan in config.plans()}))
        wrong = f"no target is named {target!r}" if target else "--target is missing"
        raise click.UsageError(f"{wrong}; the configuration has {names or 'none'}")
    return plans


def _usage_error(mistake: ErrorDetails) -> click.UsageError:
    """The error, reported for the option that sets the invalid key."""
    message, keys = explain(mistake, Config), mistake["loc"]
    if "api_key" in keys:
        return click.BadParameter(message, param_hint="--api-key-env")
    if isinstance(keys[-1], str):
        return click.BadParameter(message, param_hint=f"--{keys[-1].replace('_', '-')}")
    return click.UsageError(message)


async def _print_json(plans: tuple[Plan, ...], count: int) -> list[ProbeResult]:
    observations = [observation async for observation in probe_plans(plans, count)]
    results = [observation.result for observation in observations]
    document = {
        "results": [result_to_json(result) for result in results],
        "summary": asdict(Summary.of(observations)),
    }
    click.echo(json.dumps(document, indent=2))
    return results


async def _print_lines(plans: tuple[Plan, ...], count: int) -> list[ProbeResult]:
    target = plans[0].target
    click.echo(heading(f"{target.name}: {target.model} at {target.endpoint}"))
    observations: list[Observation] = []
    async for observation in probe_plans(plans, count):
        observations.append(observation)
        click.echo(line(len(observations), observation.result))
    click.echo(closing(observations))
    return [observation.result for observation in observations]
