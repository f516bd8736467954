"""The command ``probe`` and its options."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from exporter.commands import past_options
from exporter.commands.given import refuse_useless_options


@click.command()
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    help="Configuration file with the target.",
)
@click.option("--target", help="Name of the target, with --config.")
@click.option("--provider", metavar="NAME", help="Probe without a file: openai, vllm, ...")
@click.option("--preset", help="Server that implements the API, with --provider openai.")
@click.option("--model", help="Name of the model, with --provider.")
@click.option("--base-url", help="Base URL of the API, with --provider.")
@click.option("--region", help="Region of the API, with --provider.")
@click.option("--api-version", help="Version of the API, with --provider.")
@click.option("--api-key-env", metavar="NAME", help="Environment variable with the API key.")
@click.option("--prompt", help="Prompt to send, with --provider.")
@click.option("--max-output-tokens", type=int, default=64, show_default=True)
@click.option("--timeout", default="30s", show_default=True, help="With --provider.")
@click.option(
    "-n", "count", type=click.IntRange(1), help="Number of probes: 1, or 20 with --fail-on."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--fail-on",
    type=click.Choice(["slo", "usual", "unknown"]),
    multiple=True,
    help="Make it a gate, which exits with 1 if a target breaks an objective (slo), is slower than"
    " usual (usual), or too few probes can tell (unknown). Needs --config; judges all targets"
    " without --target.",
)
@click.option(
    "--prometheus", metavar="URL", help="Prometheus with past probes, for --fail-on usual."
)
@past_options.prometheus_token_env
@past_options.since("How much of the past counts as usual.")
@click.option(
    "--junit", type=click.Path(path_type=Path), help="File to write the verdicts to, as JUnit XML."
)
def probe(
    path: Path | None,
    target: str | None,
    count: int | None,
    as_json: bool,
    fail_on: tuple[str, ...],
    junit: Path | None,
    prometheus: str | None,
    prometheus_token_env: str | None,
    since_seconds: float,
    **ad_hoc: str | int | None,
) -> None:
    """Probe now, and show each result and a summary.

    Exits with 1 if a probe failed or, with --fail-on, if a target fails the check.
    """
    if (path is None) == (ad_hoc["provider"] is None):
        raise click.UsageError("give either --config and --target, or --provider and --model")
    refuse_useless_options(
        {"path": ad_hoc.keys(), "provider": {"target"}}, needs=past_options.NEEDS
    )
    if ("usual" in fail_on) != (prometheus is not None):
        raise click.UsageError("--fail-on usual and --prometheus need each other")
    from exporter.commands import gate_run, probe_run  # noqa: PLC0415 - keeps --help fast

    if fail_on or junit:
        if path is None:
            raise click.UsageError("--fail-on and --junit need --config, which has the objectives")
        past = (prometheus, prometheus_token_env, since_seconds)
        gate = gate_run.Gate(frozenset(fail_on), count, as_json, junit, *past)
        sys.exit(probe_run.judge(path, target, gate))
    plans = probe_run.plans_of(path, target) if path else probe_run.ad_hoc_plans(ad_hoc)
    sys.exit(probe_run.probe(plans, count or 1, as_json))
