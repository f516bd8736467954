"""What every kind of probe says of itself: what it asks, what it costs, what a right answer is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from exporter.providers.asks import Ask, Kind, Reply
from exporter.providers.base import Call, OutputKind
from exporter.providers.calls import ToolCall
from exporter.result import Failure, FailureReason, Measures, ProbeResult
from exporter.settings.types import Duration, Model


class Heard(Protocol):
    """What came back of one request that came to its end."""

    @property
    def reply(self) -> Reply | None:
        """The answer, where it came in one piece."""
        ...

    @property
    def has_output(self) -> bool:
        """Whether anything was streamed."""
        ...

    def text(self, kind: OutputKind) -> str:
        """All streamed output of one kind."""
        ...

    @property
    def first_likelihoods(self) -> tuple[tuple[str, float], ...]:
        """The likeliest first tokens, each with its probability, where they were told."""
        ...

    @property
    def calls(self) -> Sequence[ToolCall]:
        """The tools that the model called."""
        ...


@dataclass(frozen=True, slots=True)
class Size:
    """How much one probe sends, the nonce included, and how much may come back."""

    input_characters: float
    """On average over the texts that it takes in turn."""
    longest_input_bytes: int
    """Of the longest text, as UTF-8."""
    output_tokens: int
    """At most."""


class Probe(Model):
    """What is asked. Each kind is a model of its own, written under ``probes``."""

    kind: Kind
    interval: Duration | None = None
    """How often it is asked, whatever its target's ``interval`` is."""

    streams: ClassVar[bool] = True
    """Whether the answer is streamed, so that there are a first token and pauses to wait for."""

    rounds: ClassVar[int] = 1
    """How many requests make one probe, each the same as the first."""
    runs_model: ClassVar[bool] = True
    """Whether the model itself answers, so that the answer shows it warm or cold."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What differs from one request to the next, taken in turn; at least one text."""
        return ("",)

    @property
    def is_confidential(self) -> bool:
        """Whether what is asked is somebody's own data, of which answers tell."""
        return False

    @property
    def demands(self) -> frozenset[str]:
        """What it asks besides, that not every provider of its kind has words for."""
        return frozenset()

    @property
    def seconds_between_rounds(self) -> float:
        """How long after one answer the next request is sent."""
        return 0.0

    def together(self, results: Sequence[ProbeResult]) -> ProbeResult:
        """What the results of all rounds come to; after a failure there are no more rounds."""
        return results[-1]

    @property
    def size(self) -> Size | None:
        """``None`` where no token is spent."""
        return None

    @abstractmethod
    def ask(self, text: str, nonce: str) -> Ask:
        """What is asked with the text whose turn it is.

        :param nonce: never used before; it goes where it keeps every cache from answering.
        """

    def measures(self, heard: Heard, call: Call[Any]) -> Measures:
        """What a right answer tells that no other kind's does."""
        return Measures()

    def measures_of_failure(self, heard: Heard) -> Measures:
        """What an answer tells that is none, or is wrong: mostly nothing."""
        return Measures()

    @abstractmethod
    def judge(self, heard: Heard, call: Call[Any]) -> Failure | None:
        """Why what came back whole is no answer, or is a wrong one; ``None`` where it is right.

        :param call: what was asked, and who.
        """


def unanswered(heard: Heard) -> Failure | None:
    """Why what was streamed is no answer at all."""
    if refusal := heard.text(OutputKind.REFUSAL):
        return Failure(FailureReason.REFUSAL, f"the model refused: {refusal}")
    return None if heard.has_output else Failure(FailureReason.EMPTY, "the stream held no output")
