"""Keeps over restarts what fingerprints and embeddings are compared with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
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

_KINDS = (Kind.FINGERPRINT, Kind.EMBEDDINGS)
_TURN_SECONDS = 60.0
"""How much of the past a crash can forget."""

log = structlog.get_logger(__name__)


class _News(NamedTuple):
    """A past, and how many comparisons there had been then."""

    compared: int
    past: Past


class PastKeeper:
    """Has a turn every minute, and writes the files of which there is something new."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._folder: Path | None = None
        self._kept: dict[Identity, Plan] = {}
        self._saved: dict[Path, int] = {}
        self._problem: str | None = None

    def apply(self, folder: Path | None, plans: Iterable[Plan]) -> None:
        """Take over the plans in force, after ``Metrics.apply``; read the past of new ones."""
        if folder != self._folder:
            self._folder, self._kept, self._saved, self._problem = folder, {}, {}, None
        comparing = {p.identity: p for p in plans if p.probe.kind in _KINDS} if folder else {}
        new = [plan for identity, plan in comparing.items() if identity not in self._kept]
        self._kept = comparing
        for plan in new:
            self._recall(plan)

    async def run(self) -> None:
        """Save until cancelled."""
        while True:
            await asyncio.sleep(_TURN_SECONDS)
            heard = self._heard()
            self._note(*await asyncio.to_thread(_save, heard))

    def close(self) -> None:
        """Save for the last time, once no more probes are under way."""
        self._note(*_save(self._heard()))

    def _recall(self, plan: Plan) -> None:
        if self._folder is None:
            return
        try:
            past = read_past(past_file(self._folder, self._metrics.labels_of(plan)))
        except PastFileError as error:
            log.error("what answers are compared with is learnt anew", error=str(error))
            return
        if past and past.asked == asked_by(plan):
            self._metrics.recall(plan, past.behaviour, past.direction)

    def _heard(self) -> Mapping[Path, _News]:
        """What is new since the last time. Nothing of it changes any more, so that another thread
        can write it."""
        heard: dict[Path, _News] = {}
        if self._folder is None:
            return heard
        for plan in self._kept.values():
            file = past_file(self._folder, self._metrics.labels_of(plan))
            compared = self._metrics.compared(plan)
            # A plan that went and came back counts from the beginning.
            if compared and compared != self._saved.get(file):
                past = Past(asked_by(plan), *self._metrics.past_of(plan))
                heard[file] = _News(compared, past)
        return heard

    def _note(self, saved: Mapping[Path, int], problem: str | None) -> None:
        self._saved |= saved
        if problem and problem != self._problem:
            log.error("the past of answers is not saved: a restart will forget it", error=problem)
        self._problem = problem


def _save(heard: Mapping[Path, _News]) -> tuple[dict[Path, int], str | None]:
    """The comparisons behind each file that was written, and what went wrong with another."""
    saved: dict[Path, int] = {}
    problem = None
    for file, news in heard.items():
        try:
            write_past(file, news.past)
        except PastFileError as error:
            problem = str(error)
        else:
            saved[file] = news.compared
    return saved, problem
