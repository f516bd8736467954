"""The kind ``rerank``: requests the order of documents by relevance to a query, in one response."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from exporter.kinds.base import Heard, Probe, Size
from exporter.kinds.embeddings import Text
from exporter.providers.asks import Kind, Ranking, RerankAsk
from exporter.providers.base import Call
from exporter.result import Failure, FailureReason, Measures
from exporter.settings.prompts import NONCE_CHARACTERS
from exporter.settings.types import Model, raise_all

DEFAULT_QUERY = "When does the night train to the coast leave?"
DEFAULT_DOCUMENTS = (
    "The bakery in the old town sells bread from six in the morning.",
    "The night train to the coast leaves at ten in the evening.",
    "A red lamp stands on the kitchen table.",
)


class RerankExpectation(Model):
    """What a correct order looks like."""

    order: tuple[int, ...] = Field(min_length=1)
    """Positions in ``documents`` from 0, the most relevant first. The rest can follow in any
    order."""


class Rerank(Probe):
    """Documents to order by relevance to a query."""

    kind: Literal[Kind.RERANK]
    query: Text = DEFAULT_QUERY
    documents: tuple[Text, ...] = Field(default=DEFAULT_DOCUMENTS, min_length=2, max_length=256)
    """The documents to order, followed by a nonce as a further document."""
    expect: RerankExpectation | None = None

    streams: ClassVar[bool] = False

    @model_validator(mode="after")
    def _order_names_documents(self) -> Self:
        order = self.expect.order if self.expect else ()
        last = len(self.documents) - 1
        if wrong := [position for position in order if not 0 <= position <= last]:
            mistake = ValueError(f"there is no document {wrong[0]}; they are 0 to {last}")
            raise_all("Rerank", [(("expect", "order"), mistake)])
        return self

    @cached_property
    def size(self) -> Size:
        texts = (self.query, *self.documents)
        # A cross-encoder reads the query again with each document.
        again = len(self.documents) * len(self.query.encode())
        longest = sum(len(text.encode()) for text in texts) + again + NONCE_CHARACTERS
        return Size(sum(map(len, texts)) + NONCE_CHARACTERS, longest, 0)

    def ask(self, text: str, nonce: str) -> RerankAsk:
        """The nonce is a further document, which answers no query."""
        return RerankAsk(self.query, (*self.documents, nonce))

    def judge(self, heard: Heard, call: Call[RerankAsk]) -> Failure | None:
        order = heard.reply.order if isinstance(heard.reply, Ranking) else ()
        if not order:
            return Failure(FailureReason.EMPTY, "the response ranks no documents")
        wrong = self._mistake([position for position in order if position < len(self.documents)])
        return Failure(FailureReason.WRONG_ANSWER, wrong) if wrong else None

    def _mistake(self, order: list[int]) -> str | None:
        if sorted(order) != [*range(len(self.documents))]:
            return f"the order {order} does not contain each document exactly once"
        wanted = [*self.expect.order] if self.expect else []
        best = order[: len(wanted)]
        return None if best == wanted else f"the best documents are {best}, not {wanted}"

    def measures(self, heard: Heard, call: Call[RerankAsk]) -> Measures:
        return Measures(items=len(self.documents) + 1)
