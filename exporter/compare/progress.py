"""A live comparison as people follow it: a bar with the time left and the spend so far."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from exporter.compare.sample import Sample
from exporter.units import format_duration


class Bar:
    """On standard error, so that the report alone goes to standard output; use it with ``with``.

    :param expected: how many probes there will be at most.
    """

    def __init__(self, expected: int, done: int) -> None:
        console = Console(stderr=True, highlight=False)
        self._failed = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("probes"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[spent]:.4f} USD"),
            TextColumn("[red]{task.fields[failed]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(
            "comparing", total=expected, completed=done, spent=0.0, failed=""
        )

    def sampled(self, sample: Sample, spent_usd: float) -> None:
        if sample.failure:
            self._failed += 1
        failed = f"{self._failed} failed" if self._failed else ""
        self._progress.update(
            self._task, advance=1, description="comparing", spent=spent_usd, failed=failed
        )

    def waiting(self, seconds: float, why: str) -> None:
        duration = format_duration(seconds)
        self._progress.update(self._task, description=f"waiting {duration} {why}")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()
