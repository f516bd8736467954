"""What a stream said, and when: events and their arrivals, reduced to marks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from exporter.net.exchange import Exchange
from exporter.net.kernel_clock import Arrival
from exporter.probing.pace import Piece, hides_tokens, is_burst
from exporter.providers.asks import Reply
from exporter.providers.base import (
    Ended,
    Event,
    Failed,
    Finished,
    Likelihoods,
    ModelLoaded,
    ModelServed,
    Output,
    OutputKind,
    Replied,
    RequestIdentified,
    UsageReported,
)
from exporter.providers.calls import Calls, ToolCall
from exporter.result import Failure, Timeline, Usage

_CLOSE_NS = 2_000_000
"""A mark whose time is known this well can begin or end a gap."""
_LATE_STOP = 1.75
"""The stop counts as a token if it comes at most this many times as late as a token would."""


@dataclass(slots=True)
class Mark:
    """An event that measures refer to, and the read that held it."""

    arrival: Arrival
    last: bool = True
    """Whether it was completed by the last byte of its read."""

    @property
    def at(self) -> int:
        return self.arrival.at

    @property
    def uncertainty(self) -> int | None:
        return self.arrival.uncertainty(last=self.last)


@dataclass(slots=True, kw_only=True)
class _Read(Piece):
    """The output in one read, with its first and its latest mark."""

    first: Mark
    last: Mark


@dataclass(slots=True, eq=False)
class StreamRecord:
    """What one stream said. Marks are monotonic nanoseconds. Anything after the end marker isn't
    part of the answer and is ignored."""

    first_token: Mark | None = None
    first_answer_token: Mark | None = None
    last_token: Mark | None = None
    end: Mark | None = None
    output_characters: int = 0
    lag: int | None = None
    reply: Reply | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    served_model: str | None = None
    request_id: str | None = None
    model_load_seconds: float | None = None
    failure: Failure | None = None
    heard: bool = False
    """Whether there was any event at all."""
    first_likelihoods: tuple[tuple[str, float], ...] = ()
    _stop: Mark | None = None
    """The event of a token that is counted but not shown."""
    _reads: list[_Read] = field(default_factory=list)
    """Those with output."""
    _has_unseen_tokens: bool = False
    _texts: dict[OutputKind, list[str]] = field(
        default_factory=lambda: {kind: [] for kind in OutputKind}
    )
    _calls: Calls = field(default_factory=Calls)
    _newest: list[Mark] = field(default_factory=list)
    """The marks of the latest event."""

    def take(self, events: Iterable[Event], arrival: Arrival, *, ends_read: bool = True) -> bool:
        """Take what one read brought. Returns whether there was output in it.

        :param ends_read: whether the read ended with the last of these events.
        """
        before = self.output_characters
        if self._newest:
            self._outrun_marks(arrival)
        for event in events:
            if self.end is not None:
                break
            self.heard = True
            if self._newest:
                self._outrun_marks(arrival)
            if isinstance(event, Output):
                self._take_output(event, arrival)
            else:
                self._take(event, arrival)
        if self._newest and not ends_read:
            self._outrun_marks(arrival)
        return self.output_characters > before

    @property
    def uncertainty(self) -> int | None:
        """How far off the marks and the known gaps may be, in nanoseconds; ``None`` if that isn't
        known."""
        return self._known()[1]

    def _known(self) -> tuple[list[int], int | None]:
        """The gaps between reads that weren't late, and how far off they and the marks may be, in
        nanoseconds. A late read lengthens gaps or hides them, which says nothing about the
        provider. The marks of such a stream may be exact all the same."""
        marks = (self.first_token, self.first_answer_token, self.last_token, self._stop, self.end)
        doubts = [mark.uncertainty for mark in marks if mark]
        gaps: list[int] = []
        before: Mark | None = None
        doubt_before: int | None = None
        for earlier, later in pairwise(self._reads):
            if earlier.last is not before:  # a mark that ends a gap begins the next one, mostly
                doubt_before = earlier.last.uncertainty
            doubt = later.first.uncertainty
            if (doubt_before or 0) <= _CLOSE_NS and (doubt or 0) <= _CLOSE_NS:
                gaps.append(later.at - earlier.at)
                doubts += (doubt_before, doubt)
            before, doubt_before = later.first, doubt
        return gaps, max([ns for ns in doubts if ns is not None], default=None)

    def timeline(
        self, start: int, exchange: Exchange, usage: Usage | None, over: int | None = None
    ) -> Timeline:
        """All marks of a probe that began at ``start``, monotonic nanoseconds."""
        gaps, uncertainty = self._known()
        return Timeline(
            start=start,
            sent=exchange.sent,
            headers=exchange.answered,
            first_token=_at(self.first_token),
            first_answer_token=_at(self.first_answer_token),
            last_token=_at(self.last_counted(usage)),
            end=_at(self.end),
            over=over,
            arrivals=tuple([read.at for read in self._reads]),
            gaps=tuple(gaps),
            lag=self.lag,
            uncertainty=None if uncertainty is None else uncertainty + exchange.uncertainty,
        )

    def text(self, kind: OutputKind) -> str:
        """All output of one kind."""
        return "".join(self._texts[kind])

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model called."""
        return self._calls.whole()

    @property
    def said(self) -> str:
        """The answer, or the tools that were called instead of one."""
        return self.text(OutputKind.ANSWER) or " ".join(map(str, self.calls))

    @property
    def has_output(self) -> bool:
        return self.first_token is not None

    @property
    def missing_end(self) -> str:
        """How far a stream without an end marker got."""
        said = "the stream ended without its end marker"
        if self.finish_reason:
            return f"{said}, in an HTTP message that does not show whether it is whole"
        if not self.has_output:
            return f"{said} or any output"
        return f"{said} or a finish reason, after {self.output_characters} characters of output"

    def last_counted(self, usage: Usage | None) -> Mark | None:
        """The last token that the provider counted: the last output, or the stop token after it.

        If each piece of output was one token, a token that was counted but not shown is the stop.
        If there are as many pieces as tokens, all of them were shown, whatever the server calls the
        end (transformers serve says ``completed`` at the length limit). Otherwise, the stop counts
        only if it comes about as soon as a token would. If it comes much later, something else took
        the time. A single longer gap says nothing then, because it may have held several tokens.
        """
        first, last, stop = self.first_token, self.last_token, self._stop
        if not first or not last or not stop or usage is None or stop.at < last.at:
            return last
        shown = self._streamed(usage) - 1
        pieces = sum([read.pieces for read in self._reads])
        if pieces in (shown, shown + 1):
            return stop if pieces == shown else last
        pace = (last.at - first.at) / (shown - 1) if shown > 1 else math.inf
        return stop if stop.at - last.at <= _LATE_STOP * pace else last

    def pace_known(self, usage: Usage | None) -> bool:
        """Whether the output came at a pace that shows the time per token."""
        if usage is None:
            return True
        tokens, reads = self._streamed(usage), list[Piece](self._reads)
        if self._has_unseen_tokens or hides_tokens(reads, tokens):
            return False
        last = self.last_counted(usage)
        if last and last is self._stop:
            reads.append(Piece(last.at, 1))
        return not is_burst(reads, tokens)

    def _streamed(self, usage: Usage) -> int:
        """The tokens that came over the wire. Reasoning that is billed but not shown didn't."""
        return usage.output if self.text(OutputKind.REASONING) else usage.output - usage.reasoning

    def _take(self, event: Event, arrival: Arrival) -> None:
        match event:
            case Finished():
                self._take_finish(event, arrival)
            case Failed(failure, _):
                self.failure = self.failure or failure
            case Ended():
                self.end = self._mark(arrival)
            case _:
                self._take_fact(event)

    def _take_fact(self, event: Event) -> None:
        """Take an event whose time doesn't matter."""
        match event:
            case Likelihoods(tokens):
                self.first_likelihoods = self.first_likelihoods or tokens
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

    def _take_output(self, output: Output, arrival: Arrival) -> None:
        kind, text = output.kind, output.text
        self._texts[kind].append(text)
        if output.call:
            self._calls.add(output.call)
        if output.is_summary or kind is OutputKind.TOOL:
            # Some counted tokens aren't visible: those that frame a call, and those summed up.
            self._has_unseen_tokens = True
        self.output_characters += len(text)
        read = self._mark_output(kind, arrival)
        read.pieces += 1
        read.size += len(text) if text.isascii() else len(text.encode(errors="replace"))

    def _take_finish(self, finished: Finished, arrival: Arrival) -> None:
        self.finish_reason = finished.reason
        if finished.with_token and self.has_output:
            self._stop = self._mark(arrival)

    def _mark_output(self, kind: OutputKind, arrival: Arrival) -> _Read:
        """Mark the output, and return its read. Several pieces in one read have one time."""
        mark = self.last_token = self._mark(arrival)
        if kind is OutputKind.ANSWER and self.first_answer_token is None:
            self.first_answer_token = mark
        if self.first_token is None:
            self.first_token = mark
        reads = self._reads
        if not reads or reads[-1].last.arrival is not arrival:
            reads.append(_Read(arrival.at, first=mark, last=mark))
        reads[-1].last = mark
        return reads[-1]

    def _mark(self, arrival: Arrival) -> Mark:
        mark = Mark(arrival)
        self._newest.append(mark)
        lag = arrival.lag
        if lag is not None and (self.lag is None or lag > self.lag):
            self.lag = lag
        return mark

    def _outrun_marks(self, arrival: Arrival) -> None:
        """More arrived in the read of a mark, so the mark isn't at the end of its read."""
        for mark in self._newest:
            mark.last = mark.arrival is not arrival
        self._newest.clear()


def _at(mark: Mark | None) -> int | None:
    return mark.at if mark else None
