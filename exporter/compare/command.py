"""The command ``compare`` and its options."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter.commands import past_options
from exporter.commands.durations import duration
from exporter.commands.failing import fail
from exporter.compare import arguments
from exporter.compare.errors import CompareError, PartiesError
from exporter.compare.options import Asking, Options
from exporter.compare.sampling.prompts import Length
from exporter.compare.statistics.findings import Objective, Rules, Traffic
from exporter.compare.statistics.measures import Measure
from exporter.compare.statistics.verdict import Verdict
from exporter.compare.useless import check_options
from exporter.prometheus.client import HistoryError
from exporter.settings.mistakes import ConfigError

if TYPE_CHECKING:
    from exporter.compare.statistics.conclusion import Report

_PATH = click.Path(path_type=Path, dir_okay=False)
_OUTPUT = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
_INTERRUPTED = 130  # the exit status that shells use for SIGINT
_FAIL_ON = {"worse": Verdict.WORSE, "not-enough-data": Verdict.UNDECIDED}


@click.command()
@click.option("--config", type=_PATH, help="Configuration file with the targets.")
@click.option(
    "--baseline", metavar="TARGET", help="Name of a target, or key=value,... (see above)."
)
@click.option("--candidate", "candidates", metavar="TARGET", multiple=True, help="Repeatable.")
@click.option("--probe", help="Probe of the configuration to send.")
@click.option("--prompts-file", type=_PATH, help='Prompts to send: JSON Lines, {"prompt": "..."}.')
@click.option(
    "--shapes-file",
    type=_PATH,
    help="Send prompts shaped like real traffic: input,output tokens per line, or recorded chats.",
)
@click.option(
    "--length",
    "lengths",
    type=click.Choice([length.value for length in Length]),
    multiple=True,
    help="Send texts of about this many tokens; repeatable.",
)
@click.option("--max-output-tokens", type=click.IntRange(1))
@click.option(
    "-n",
    "probes",
    type=click.IntRange(2),
    metavar="N",
    help="Probes of each target (200), or the maximum with --until-decided (1000).",
)
@click.option(
    "--concurrency",
    type=arguments.levels,
    metavar="N,N,...",
    default="",
    help="Compare with this many concurrent streams, level by level; -n is for each level.",
)
@click.option(
    "--max-requests",
    type=click.IntRange(1),
    metavar="N",
    help="With --concurrency, maximum number of requests in total.",
)
@click.option(
    "--slo",
    "objectives",
    type=arguments.objective,
    metavar="MEASURE=DURATION",
    multiple=True,
    help="With --concurrency, show how many streams break this SLO: ttft_p95=1.5s; repeatable.",
)
@click.option(
    "--pause",
    "pause_seconds",
    type=duration,
    metavar="DURATION",
    default="0s",
    help="Pause between blocks.",
)
@click.option(
    "--budget",
    "budget_usd",
    type=click.FloatRange(0, min_open=True),
    metavar="USD",
    help="Stop before spending more than this.",
)
@click.option(
    "--until-decided",
    is_flag=True,
    help="Stop as soon as the most important measures have a verdict.",
)
@click.option(
    "--cold-idle",
    "cold_idle_seconds",
    type=duration,
    metavar="DURATION",
    help="Afterwards, leave the targets idle for this time and measure their cold start.",
)
@click.option("--cold-rounds", type=click.IntRange(1), default=6, show_default=True)
@click.option("--samples", type=_PATH, help="File for the samples; continues an existing one.")
@click.option("--from-samples", type=_PATH, help="Create the report again from a samples file.")
@click.option("--prometheus", metavar="URL", help="Compare past probes in this Prometheus.")
@past_options.prometheus_token_env
@past_options.since()
@click.option(
    "--before-after",
    metavar="DATE",
    help="Compare the baseline before a date with the baseline after it.",
)
@click.option(
    "--window",
    "windows",
    metavar="FROM..TO",
    multiple=True,
    help="Compare the baseline in these time spans; repeatable.",
)
@click.option(
    "--requests-per-day",
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    help="Show the monthly cost of this traffic for each side.",
)
@click.option(
    "--request-tokens",
    type=arguments.tokens,
    metavar="IN,OUT",
    default="",
    help="Input and output tokens of each request; defaults to the tokens of the prompts.",
)
@click.option(
    "--margin",
    "margins",
    type=arguments.margin,
    metavar="MEASURE=SHARE",
    multiple=True,
    help="Margin that counts as the same, such as ttft_p95=0.2; repeatable.",
)
@click.option(
    "--measure",
    "measures",
    type=click.Choice([measure.value for measure in Measure]),
    multiple=True,
    help="Evaluate only this measure; repeatable.",
)
@click.option(
    "--first",
    type=click.Choice([measure.value for measure in Measure]),
    multiple=True,
    help="Most important measure, which gets most of the allowed error (ttft_typical); repeatable.",
)
@click.option(
    "--json",
    "json_file",
    type=_OUTPUT,
    callback=arguments.in_a_folder,
    help="Write the report as JSON; - prints it.",
)
@click.option(
    "--markdown", type=_OUTPUT, callback=arguments.in_a_folder, help="Write the report as Markdown."
)
@click.option(
    "--html",
    type=_OUTPUT,
    callback=arguments.in_a_folder,
    help="Write the report as one HTML file with plots.",
)
@click.option(
    "--fail-on",
    type=click.Choice([*_FAIL_ON]),
    multiple=True,
    help="Exit with 1 if any measure has this verdict, over all prompts together or, with"
    " --concurrency, at any level; repeatable.",
)
def compare(
    probe: str | None,
    prompts_file: Path | None,
    shapes_file: Path | None,
    lengths: tuple[str, ...],
    max_output_tokens: int | None,
    margins: tuple[tuple[Measure, float], ...],
    measures: tuple[str, ...],
    first: tuple[str, ...],
    objectives: tuple[Objective, ...],
    requests_per_day: float | None,
    request_tokens: tuple[float, float] | None,
    json_file: Path | None,
    markdown: Path | None,
    html: Path | None,
    fail_on: tuple[str, ...],
    **rest: object,
) -> None:
    """Compare candidates with a baseline, measure by measure.

    Each verdict is better, same within a margin, worse, or not enough data.

    Sends probes to all sides in turn, reads past probes (--prometheus), or creates a report from
    saved samples (--from-samples). Without --config and --prometheus, write each target as
    provider=openai,model=M,base_url=URL,api_key_env=NAME,input_price=1,output_price=2. Only
    provider and model are required. Prices are in USD per million tokens.
    """
    check_options()
    outputs = [path for path in (json_file, markdown, html) if path]
    if len(set(outputs)) < len(outputs):
        raise click.UsageError(
            "--json, --markdown, and --html need different files; only one of them can be -"
        )
    asking = Asking(
        probe, prompts_file, shapes_file, tuple(map(Length, lengths)), max_output_tokens
    )
    chosen = tuple(measure for measure in Measure if not measures or measure.value in measures)
    missing = sorted(set(first) - {measure.value for measure in chosen})
    if missing:
        raise click.UsageError(f"--first {missing[0]} is not among the measures of --measure")
    rules = Rules(
        measures=chosen,
        first=tuple(map(Measure, first)),
        objectives=objectives,
        traffic=Traffic(requests_per_day, request_tokens) if requests_per_day else None,
        margins=dict(margins),
    )
    options = Options(asking=asking, rules=rules, **rest)  # type: ignore[arg-type]
    report = _report(options)
    _output(report, json_file, markdown, html)
    sys.exit(_exit_code(report, fail_on))


def _output(
    report: Report, json_file: Path | None, markdown: Path | None, html: Path | None
) -> None:
    from exporter.compare.report import formats  # noqa: PLC0415 - needs packages of an extra

    outputs = {
        json_file: formats.to_json_text,
        markdown: formats.to_markdown,
        html: formats.to_html,
    }
    if Path("-") not in outputs:
        click.echo(formats.show(report))
    for path, form in outputs.items():
        if path:
            _write(path, form(report))


def _report(options: Options) -> Report:
    for package in ("numpy", "scipy"):
        if importlib.util.find_spec(package) is None:
            raise click.UsageError(
                f"compare needs {package}: pip install 'inference-exporter[compare]'"
            )
    from exporter.compare import run  # noqa: PLC0415 - needs packages of an extra

    try:
        return run.report(options)
    except PartiesError as error:
        raise click.UsageError(str(error)) from None
    except (ConfigError, CompareError, HistoryError) as error:
        fail(error)


def _write(path: Path, text: str) -> None:
    if path == Path("-"):
        click.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{path}: cannot be written: {error.strerror}")


def _exit_code(report: Report, fail_on: Sequence[str]) -> int:
    if report.interrupted:
        return _INTERRUPTED
    wrong = {_FAIL_ON[name] for name in fail_on}
    return 1 if wrong & set(report.verdicts()) else 0
