"""The progress of a live comparison: a bar with the time left and the spend so far."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

import click

from exporter.compare.sample import Sample
from exporter.settings.units import format_duration


class Bar:
    """A progress bar. Use it with ``with``.

    It is on standard error, so that standard output contains only the report, and it is hidden if
    standard error isn't a terminal.

    :param expected: the maximum number of probes.
    :param done: the number of probes that an earlier session sent.
    """

    def __init__(self, expected: int, done: int) -> None:
        self._failed = 0
        self._note = ""
        self._bar = click.progressbar(
            range(expected - done),
            bar_template="comparing  [%(bar)s]  %(info)s",
            show_pos=True,
            item_show_func=lambda _: self._note,
            width=0,  # the width of the terminal
            file=sys.stderr,
            hidden=not sys.stderr.isatty(),
        )

    def sampled(self, sample: Sample, spent_usd: float) -> None:
        self._failed += bool(sample.failure)
        failed = click.style(f"  {self._failed} failed", fg="red") if self._failed else ""
        self._note = f"{spent_usd:.4f} USD{failed}"
        self._bar.update(1)

    def waiting(self, seconds: float, why: str) -> None:
        self._note = f"waiting {format_duration(seconds)} {why}"
        self._bar.render_progress()

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.__exit__(kind, error, traceback)
