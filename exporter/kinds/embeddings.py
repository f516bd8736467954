"""The kind ``embeddings``: requests vectors for texts, in one response."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from exporter.kinds.base import Heard, Probe, Size
from exporter.providers.asks import EmbeddingsAsk, Kind, Vectors
from exporter.providers.base import Call
from exporter.result import Failure, FailureReason, Measures
from exporter.settings.prompts import NONCE_CHARACTERS
from exporter.settings.types import Model

Text = Annotated[str, StringConstraints(pattern=r"\S")]

DEFAULT_INPUT = ("The night train to the coast leaves at ten and arrives before the bakers wake.",)


class EmbeddingsExpectation(Model):
    """What correct vectors look like."""

    dimensions: int | None = Field(default=None, ge=1)
    """The number of dimensions that they must have."""


class Embeddings(Probe):
    """Texts to turn into vectors."""

    kind: Literal[Kind.EMBEDDINGS]
    input: tuple[Text, ...] = Field(default=DEFAULT_INPUT, min_length=1, max_length=256)
    """The texts to send, followed by a nonce. The exporter compares the vector of the first text
    with the first one that it received."""
    dimensions: int | None = Field(default=None, ge=1)
    """The number of dimensions to request, for models with a choice."""
    expect: EmbeddingsExpectation | None = None

    streams: ClassVar[bool] = False

    @cached_property
    def size(self) -> Size:
        longest = sum(len(text.encode()) for text in self.input) + NONCE_CHARACTERS
        return Size(sum(map(len, self.input)) + NONCE_CHARACTERS, longest, 0)

    def ask(self, text: str, nonce: str) -> EmbeddingsAsk:
        """The nonce is a separate text, because it would change the vector of a text that it
        precedes. It prevents an answer from a cache of whole requests."""
        return EmbeddingsAsk((*self.input, nonce), self.dimensions)

    def judge(self, heard: Heard, call: Call[EmbeddingsAsk]) -> Failure | None:
        if not isinstance(heard.reply, Vectors) or not heard.reply.vectors:
            return Failure(FailureReason.EMPTY, "the response has no vectors")
        texts = 1 if heard.reply.takes_one_text else len(call.ask.texts)
        wrong = self._mistake(heard.reply.vectors, texts)
        return Failure(FailureReason.WRONG_ANSWER, wrong) if wrong else None

    def _mistake(self, vectors: tuple[tuple[float, ...], ...], texts: int) -> str | None:
        if len(vectors) != texts:
            return f"the number of vectors is {len(vectors)}, but the number of texts is {texts}"
        lengths = sorted({len(vector) for vector in vectors})
        if len(lengths) > 1:
            return f"the vectors have different lengths, from {lengths[0]} to {lengths[-1]}"
        if not all(map(any, vectors)):
            return "a vector is all zeros"
        wanted = (self.expect and self.expect.dimensions) or self.dimensions
        if wanted and lengths != [wanted]:
            return f"the vectors have {lengths[0]} dimensions, not {wanted}"
        return None

    def measures(self, heard: Heard, call: Call[EmbeddingsAsk]) -> Measures:
        if not isinstance(heard.reply, Vectors):
            return Measures()
        vectors = heard.reply.vectors
        return Measures(items=len(vectors), dimensions=len(vectors[0]), direction=vectors[0])
