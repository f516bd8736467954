"""The base class of all kinds of probes: what a probe sends, what it costs, and how it judges the
response."""

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
    """The response to one request, which was received completely."""

    @property
    def reply(self) -> Reply | None:
        """The response, if it wasn't streamed."""
        ...

    @property
    def has_output(self) -> bool:
        """Whether the stream had any output."""
        ...

    def text(self, kind: OutputKind) -> str:
        """All streamed output of one kind, joined."""
        ...

    @property
    def first_likelihoods(self) -> tuple[tuple[str, float], ...]:
        """The most likely first tokens, each with its probability, if the server reports them."""
        ...

    @property
    def calls(self) -> Sequence[ToolCall]:
        """The tools that the model called."""
        ...


@dataclass(frozen=True, slots=True)
class Size:
    """How much one probe sends, including the nonce, and how much it can receive."""

    input_characters: float
    """The average over the texts of the probe."""
    longest_input_bytes: int
    """For the longest text, as UTF-8."""
    output_tokens: int
    """The maximum."""


class Probe(Model):
    """The settings of a probe under ``probes``. Each kind is a subclass."""

    kind: Kind
    interval: Duration | None = None
    """How often to send this probe. Overrides the ``interval`` of the target."""

    streams: ClassVar[bool] = True
    """Whether the response is streamed, so that time to first token and stalls can be measured."""

    rounds: ClassVar[int] = 1
    """The number of requests of one probe, each the same as the first."""
    runs_model: ClassVar[bool] = True
    """Whether the model itself answers, so that the response shows whether it is warm or cold."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that probes send in turn. At least one."""
        return ("",)

    @property
    def is_confidential(self) -> bool:
        """Whether prompts can be the user's own data, which responses could reveal."""
        return False

    @property
    def demands(self) -> frozenset[str]:
        """Settings in use that not every provider of this kind supports."""
        return frozenset()

    @property
    def seconds_between_rounds(self) -> float:
        """The pause between a response and the next request."""
        return 0.0

    def together(self, results: Sequence[ProbeResult]) -> ProbeResult:
        """Combine the results of all rounds. A failure ends the rounds."""
        return results[-1]

    @property
    def size(self) -> Size | None:
        """``None`` if the probe uses no tokens."""
        return None

    @abstractmethod
    def ask(self, text: str, nonce: str) -> Ask:
        """The request for one of the ``texts``.

        :param nonce: a text never used before. It goes where it prevents answers from any cache.
        """

    def measures(self, heard: Heard, call: Call[Any]) -> Measures:
        """The measurements of a correct response that only this kind has."""
        return Measures()

    def measures_of_failure(self, heard: Heard) -> Measures:
        """The same for a missing or incorrect response: for most kinds, none."""
        return Measures()

    @abstractmethod
    def judge(self, heard: Heard, call: Call[Any]) -> Failure | None:
        """Why a complete response is no answer or an incorrect one; ``None`` if it is correct.

        :param call: the request, with its target.
        """


def unanswered(heard: Heard) -> Failure | None:
    """The failure of a stream without an answer; ``None`` if it has one."""
    if refusal := heard.text(OutputKind.REFUSAL):
        return Failure(FailureReason.REFUSAL, f"the model refused: {refusal}")
    return None if heard.has_output else Failure(FailureReason.EMPTY, "the stream had no output")
