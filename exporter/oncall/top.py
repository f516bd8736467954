"""The command ``top``: a running exporter in a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from exporter.oncall.clients import ExporterApi, RequestFailed, Row
from exporter.oncall.login import login_of
from exporter.site.judgement import WORST_FIRST, State
from exporter.site.words import percent, rate, seconds, span

if TYPE_CHECKING:
    from rich.table import Table

_BAR = 20
"""The width of a drawn probe in characters."""
_STYLES = {
    State.OK: "green",
    State.SLOW: "yellow",
    State.FLAKY: "dark_orange",
    State.THROTTLED: "magenta",
    State.FAILING: "bold red",
    State.STARTING: "medium_purple1",
    State.PENDING: "bright_black",
}


@click.command()
@click.argument("url", default="http://127.0.0.1:9850")
@click.option("--every", default=5.0, show_default=True, help="Seconds between two updates.")
@click.option("--once", is_flag=True, help="Print once, and exit with 1 if a target has a problem.")
@click.option("--user", metavar="NAME", help="User for the exporter's basic authentication.")
@click.option("--password-env", metavar="NAME", help="Environment variable with the password.")
def top(url: str, every: float, once: bool, user: str | None, password_env: str | None) -> None:
    """Watch the exporter at URL: states, times and the latest probes, problems first."""
    try:
        from rich.console import Console  # noqa: PLC0415  what an extra installs
        from rich.live import Live  # noqa: PLC0415
    except ImportError:
        raise click.UsageError("top needs: pip install 'inference-exporter[top]'") from None
    exporter, console = ExporterApi(url, login_of(user, password_env)), Console()
    try:
        rows = exporter.rows()
        if once:
            console.print(table(rows, time.time()))
            sys.exit(int(any(State(row["state"]).is_problem for row in rows)))
        with Live(table(rows, time.time()), console=console, screen=console.is_terminal) as live:
            while True:
                time.sleep(every)
                live.update(table(exporter.rows(), time.time()))
    except RequestFailed as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(0)


def table(rows: Iterable[Row], now: float) -> Table:
    """The targets at a time, Unix seconds, the worst first."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    shown = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    for title in ("state", "target"):
        shown.add_column(title, no_wrap=True)
    for title in ("TTFT", "p50", "p95", "success", "tokens/s", "probed"):
        shown.add_column(title, justify="right", no_wrap=True)
    shown.add_column("latest probe", no_wrap=True)
    shown.add_column("why", ratio=1)
    in_order = sorted(rows, key=lambda row: WORST_FIRST.index(State(row["state"])))
    longest = max((_length(row) for row in in_order), default=0.0)
    for row in in_order:
        state, last, hour = State(row["state"]), row["last"] or {}, row["hour"]
        finished = last.get("finished_at")
        shown.add_row(
            Text(state.label, style=_STYLES[state]),
            Text(f"{row['target']} {row['probe']}"),
            seconds(last.get("time_to_first_token_seconds")),
            seconds(hour["p50_seconds"]),
            seconds(hour["p95_seconds"]),
            percent(hour["success_ratio"]),
            rate(last.get("output_tokens_per_second")),
            f"{span(now - finished)} ago" if finished else "",
            Text(drawn(row, longest), style="blue"),
            Text(row["why"]),
        )
    return shown


def drawn(row: Row, longest_seconds: float) -> str:
    """The latest probe as a line: thin while it waited, thick while it streamed."""
    last = row["last"] or {}
    first, whole = last.get("time_to_first_token_seconds"), _length(row)
    if not whole or not longest_seconds:
        return ""
    length = max(1, round(whole / longest_seconds * _BAR))
    waited = length if first is None else round(first / longest_seconds * _BAR)
    return ("─" * waited + "━" * (length - waited))[:_BAR]


def _length(row: Row) -> float:
    last = row["last"] or {}
    return last.get("request_duration_seconds") or last.get("time_to_first_token_seconds") or 0.0
