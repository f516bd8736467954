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
_WIDE = 120
"""From this width on, all columns fit."""
_NARROW = ("TTFT", "p95", "success", "probed")
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
    """Watch a running exporter in the terminal.

    Shows the state, times, and latest probe of each target, problems first.
    """
    try:
        from rich.console import Console  # noqa: PLC0415  what an extra installs
        from rich.live import Live  # noqa: PLC0415
    except ImportError:
        raise click.UsageError("top needs: pip install 'inference-exporter[top]'") from None
    exporter, console = ExporterApi(url, login_of(user, password_env)), Console()
    try:
        rows = exporter.rows()
        if once:
            console.print(table(rows, time.time(), console.width))
            sys.exit(int(any(State(row["state"]).is_problem for row in rows)))
        first = table(rows, time.time(), console.width)
        with Live(first, console=console, screen=console.is_terminal) as live:
            while True:
                time.sleep(every)
                live.update(table(exporter.rows(), time.time(), console.width))
    except RequestFailed as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(0)


def table(rows: Iterable[Row], now: float, width: int) -> Table:
    """The targets at a time, Unix seconds, the worst first.

    :param width: the number of characters that fit on a line. If there is room for the most
        important columns only, the reason moves below the target's name.
    """
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    wide = width >= _WIDE
    shown = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    shown.add_column("state", no_wrap=True)
    shown.add_column("target", no_wrap=wide, ratio=None if wide else 1)
    numbers = ("TTFT", "p50", "p95", "success", "tokens/s", "probed") if wide else _NARROW
    for title in numbers:
        shown.add_column(title, justify="right", no_wrap=True)
    if wide:
        shown.add_column("latest probe", no_wrap=True)
        shown.add_column("why", ratio=1)
    in_order = sorted(rows, key=lambda row: WORST_FIRST.index(State(row["state"])))
    longest = max((_length(row) for row in in_order), default=0.0)
    for row in in_order:
        state, last, hour = State(row["state"]), row["last"] or {}, row["hour"]
        finished = last.get("finished_at")
        cells = {
            "TTFT": seconds(last.get("time_to_first_token_seconds")),
            "p50": seconds(hour["p50_seconds"]),
            "p95": seconds(hour["p95_seconds"]),
            "success": percent(hour["success_ratio"]),
            "tokens/s": rate(last.get("output_tokens_per_second")),
            "probed": f"{span(now - finished)} ago" if finished else "",
        }
        name, why = Text(f"{row['target']} {row['probe']}"), Text(row["why"], style="dim")
        if not wide and why:
            name = Text("\n").join((name, why))
        further = (Text(drawn(row, longest), style="blue"), why) if wide else ()
        label = Text(state.label, style=_STYLES[state])
        shown.add_row(label, name, *(cells[title] for title in numbers), *further)
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
