"""What a stream said, and when: events and their arrivals folded into marks."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.kernel_clock import Arrival
from exporter.providers.base import (
    Ended,
    Event,
    Failed,
    Finished,
    ModelLoaded,
    ModelServed,
    Output,
    OutputKind,
    RequestIdentified,
    UsageReported,
)
from exporter.result import Failure, Usage


class StreamRecord:
    """Marks are monotonic nanoseconds. What comes after the end marker is not part of the
    answer and is passed over."""

    def __init__(self) -> None:
        self.first_token: int | None = None
        self.first_answer_token: int | None = None
        self.last_token: int | None = None
        self.end: int | None = None
        self.gaps: list[int] = []
        self.lag: int | None = None
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.served_model: str | None = None
        self.request_id: str | None = None
        self.model_load_seconds: float | None = None
        self.failure: Failure | None = None
        self.heard = False
        """Whether there was any event at all."""
        self._texts: dict[OutputKind, list[str]] = {kind: [] for kind in OutputKind}
        self._last_read: Arrival | None = None

    def take(self, events: Iterable[Event], arrival: Arrival) -> bool:
        """Fold in what one read brought; whether output was among it."""
        before = self._last_read
        for event in events:
            if self.end is not None:
                break
            self.heard = True
            self._take(event, arrival)
        return self._last_read is not before

    def text(self, kind: OutputKind) -> str:
        """All output of one kind."""
        return "".join(self._texts[kind])

    @property
    def has_output(self) -> bool:
        return self.first_token is not None

    def _take(self, event: Event, arrival: Arrival) -> None:
        match event:
            case Output(kind, text):
                self._texts[kind].append(text)
                self._mark_output(kind, arrival)
            case UsageReported(usage):
                self.usage = usage
            case ModelServed(name):
                self.served_model = name
            case RequestIdentified(request_id):
                self.request_id = request_id
            case ModelLoaded(seconds):
                self.model_load_seconds = seconds
            case Finished(reason):
                self.finish_reason = reason
            case Failed(failure):
                self.failure = self.failure or failure
            case Ended():
                self.end = arrival.at
                self._note_lag(arrival)

    def _mark_output(self, kind: OutputKind, arrival: Arrival) -> None:
        if kind is OutputKind.ANSWER and self.first_answer_token is None:
            self.first_answer_token = arrival.at
        if arrival is self._last_read:
            return  # several pieces in one read have one time, and no gap between them
        if self.first_token is None:
            self.first_token = arrival.at
        if self.last_token is not None:
            self.gaps.append(arrival.at - self.last_token)
        self.last_token = arrival.at
        self._last_read = arrival
        self._note_lag(arrival)

    def _note_lag(self, arrival: Arrival) -> None:
        if arrival.lag is not None:
            self.lag = max(self.lag or 0, arrival.lag)
