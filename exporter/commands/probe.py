"""The command ``probe``: what can be said on its command line."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    help="Probe a target of this configuration.",
)
@click.option("--target", help="Name of the target, with --config.")
@click.option("--provider", metavar="NAME", help="Probe without a file: openai, vllm, ...")
@click.option("--preset", help="Which server speaks it, with --provider openai.")
@click.option("--model", help="Name of the model, with --provider.")
@click.option("--base-url", help="Where the API lives, with --provider.")
@click.option("--region", help="Region of the API, with --provider.")
@click.option("--api-version", help="Version of the API, with --provider.")
@click.option("--api-key-env", metavar="NAME", help="Variable that holds the key.")
@click.option("--prompt", help="What to ask, with --provider.")
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
    from exporter.commands import probe_run  # noqa: PLC0415 - so that --help waits for nothing

    if fail_on or junit:
        if path is None:
            raise click.UsageError("--fail-on and --junit need --config, which has the objectives")
        sys.exit(probe_run.gate(path, target, count, fail_on, as_json, junit))
    plans = probe_run.plans_of(path, target) if path else probe_run.ad_hoc_plans(ad_hoc)
    sys.exit(probe_run.ask(plans, count or 1, as_json))
