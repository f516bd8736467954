"""What a stream said, and when: events and their arrivals folded into marks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from exporter.net.kernel_clock import Arrival
from exporter.providers.asks import Reply
from exporter.providers.base import (
    Ended,
    Event,
    Failed,
    Finished,
    ModelLoaded,
    ModelServed,
    Output,
    OutputKind,
    Replied,
    RequestIdentified,
    UsageReported,
)
from exporter.result import Failure, Usage


@dataclass(slots=True)
class Mark:
    """An event that the measures count from, and the read that held it."""

    arrival: Arrival
    last: bool = True
    """Whether it was the last event of its read."""

    @property
    def at(self) -> int:
        return self.arrival.at

    @property
    def uncertainty(self) -> int | None:
        return self.arrival.uncertainty(last=self.last)


class StreamRecord:
    """Marks are monotonic nanoseconds. What comes after the end marker is not part of the
    answer and is passed over."""

    def __init__(self) -> None:
        self.first_token: Mark | None = None
        self.first_answer_token: Mark | None = None
        self.last_token: Mark | None = None
        self.end: Mark | None = None
        self.output_characters = 0
        self.gaps: list[int] = []
        self.lag: int | None = None
        self.reply: Reply | None = None
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.served_model: str | None = None
        self.request_id: str | None = None
        self.model_load_seconds: float | None = None
        self.failure: Failure | None = None
        self.heard = False
        """Whether there was any event at all."""
        self._texts: dict[OutputKind, list[str]] = {kind: [] for kind in OutputKind}
        self._newest: list[Mark] = []
        """The marks of the latest event."""

    def take(self, events: Iterable[Event], arrival: Arrival) -> bool:
        """Fold in what one read brought; whether output was among it."""
        before = self.last_token
        for event in events:
            if self.end is not None:
                break
            self.heard = True
            self._outrun_marks(arrival)
            self._take(event, arrival)
        return self.last_token is not before

    @property
    def uncertainty(self) -> int | None:
        """How far off the marks may be, in nanoseconds; ``None`` where that is not known."""
        marks = (self.first_token, self.first_answer_token, self.last_token, self.end)
        known = (mark.uncertainty for mark in marks if mark)
        return max((ns for ns in known if ns is not None), default=None)

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
                self.output_characters += len(text)
                self._mark_output(kind, arrival)
            case Replied(reply):
                self.reply = reply
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
                self.end = self._mark(arrival)

    def _mark_output(self, kind: OutputKind, arrival: Arrival) -> None:
        mark, before = self._mark(arrival), self.last_token
        if kind is OutputKind.ANSWER and self.first_answer_token is None:
            self.first_answer_token = mark
        if self.first_token is None:
            self.first_token = mark
        self.last_token = mark
        # Several pieces in one read have one time, and no gap between them.
        if before and before.arrival is not arrival:
            self.gaps.append(mark.at - before.at)

    def _mark(self, arrival: Arrival) -> Mark:
        mark = Mark(arrival)
        self._newest.append(mark)
        if arrival.lag is not None:
            self.lag = max(self.lag or 0, arrival.lag)
        return mark

    def _outrun_marks(self, arrival: Arrival) -> None:
        """A further event in the read of a mark: what was marked came before the read's end."""
        for mark in self._newest:
            mark.last = mark.arrival is not arrival
        self._newest.clear()
