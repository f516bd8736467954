"""Saves the past of fingerprints and embeddings, so that it survives restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import structlog

from exporter.config.plan import Identity, Plan
from exporter.kinds import Kind
from exporter.metrics.past_file import (
    Past,
    PastFileError,
    asked_by,
    past_file,
    read_past,
    write_past,
)
from exporter.metrics.registry import Metrics
from exporter.process.in_order import InOrder

_KINDS = (Kind.FINGERPRINT, Kind.EMBEDDINGS)
_TURN_SECONDS = 60.0
"""How much of the past a crash can lose."""

log = structlog.get_logger(__name__)


class _Unsaved(NamedTuple):
    """A past, and the number of comparisons at that time."""

    compared: int
    past: Past


class PastKeeper:
    """Writes the files that have changed, once a minute."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._folder: Path | None = None
        self._kept: dict[Identity, Plan] = {}
        self._saved: dict[Path, int] = {}
        self._problem: str | None = None
        self._saves = InOrder("past")

    def apply(self, folder: Path | None, plans: Iterable[Plan]) -> None:
        """Apply the active plans, after ``Metrics.apply``, and read the past of new ones."""
        if folder != self._folder:
            self._folder, self._kept, self._saved, self._problem = folder, {}, {}, None
        comparing = {p.identity: p for p in plans if p.probe.kind in _KINDS} if folder else {}
        new = [plan for identity, plan in comparing.items() if identity not in self._kept]
        self._kept = comparing
        for plan in new:
            self._recall(plan)

    async def run(self) -> None:
        """Save every minute, until canceled."""
        while True:
            await asyncio.sleep(_TURN_SECONDS)
            self._note(*await self._saves.run(partial(_save, self._changed())))

    def close(self) -> None:
        """Save a last time, after all probes have ended."""
        self._note(*self._saves.finish(partial(_save, self._changed())))

    def _recall(self, plan: Plan) -> None:
        if self._folder is None:
            return
        try:
            past = read_past(past_file(self._folder, self._metrics.labels_of(plan)))
        except PastFileError as error:
            log.error("past answers not restored, learning them again", error=str(error))
            return
        if past and past.asked == asked_by(plan):
            self._metrics.recall(plan, past.behaviour, past.direction)

    def _changed(self) -> Mapping[Path, _Unsaved]:
        """Return what has changed since the last save. It is immutable, so another thread can write
        it."""
        changed: dict[Path, _Unsaved] = {}
        if self._folder is None:
            return changed
        for plan in self._kept.values():
            file = past_file(self._folder, self._metrics.labels_of(plan))
            compared = self._metrics.compared(plan)
            # A plan that was removed and added again counts from zero.
            if compared and compared != self._saved.get(file):
                past = Past(asked_by(plan), *self._metrics.past_of(plan))
                changed[file] = _Unsaved(compared, past)
        return changed

    def _note(self, saved: Mapping[Path, int], problem: str | None) -> None:
        self._saved |= saved
        if problem and problem != self._problem:
            log.error("could not save past answers: a restart will forget them", error=problem)
        self._problem = problem


def _save(changed: Mapping[Path, _Unsaved]) -> tuple[dict[Path, int], str | None]:
    """Return the number of comparisons in each file that was written, and an error, if any."""
    saved: dict[Path, int] = {}
    problem = None
    for file, unsaved in changed.items():
        try:
            write_past(file, unsaved.past)
        except PastFileError as error:
            problem = str(error)
        else:
            saved[file] = unsaved.compared
    return saved, problem
