"""What is asked, each kind of probe in its own words, and what comes back in one piece.

A kind of probe makes an ``Ask``, nonce and all; a dialect puts it on the wire. An answer that is
not streamed comes back as a ``Reply``, which the kind judges.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a probe can ask."""

    CHAT = "chat"
    CACHED_PREFIX = "cached_prefix"
    MODELS = "models"
    EMBEDDINGS = "embeddings"
    RERANK = "rerank"
    FINGERPRINT = "fingerprint"


class Ask:
    """What one request asks of a model."""


class Reply:
    """An answer that comes in one piece."""


class Role(StrEnum):
    """Who speaks in a dialogue."""

    USER = "user"
    ASSISTANT = "assistant"


class Reasoning(StrEnum):
    """How much a model is to think."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Turn:
    """What was said before the question."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to see."""

    data: bytes = field(repr=False)
    media_type: str
    """``image/png`` and the like."""
    says: str | None = None
    """What is written in it, where that is known."""


@dataclass(frozen=True, slots=True)
class Tool:
    """Something that a model may call instead of answering."""

    name: str
    description: str | None
    parameters: Mapping[str, object]
    """JSON Schema of what it is called with."""


@dataclass(frozen=True, slots=True)
class ChatAsk(Ask):
    """A question, whose answer is streamed, and what comes before it and with it."""

    prompt: str
    max_output_tokens: int
    system: str | None = None
    earlier: tuple[Turn, ...] = ()
    picture: Picture | None = None
    json_schema: Mapping[str, object] | None = None
    """What the answer must keep to, and the provider must see to."""
    tools: tuple[Tool, ...] = ()
    must_call: bool = False
    """Whether one of the tools must be called, where the provider has a word for that."""
    caches_system: bool = False
    """Whether the system prompt is to be kept in the prompt cache, of providers that do so only
    where they are told."""
    reasoning: Reasoning | None = None
    """``None`` leaves it to the model."""
    reasoning_budget: int | None = None
    """The most tokens of thought, instead of ``reasoning``."""
    greedy: bool = False
    """Whether the likeliest answer is wanted, and not one of many."""
    logprobs: bool | None = None
    """Whether the probabilities of a greedy answer's first token are to be told; ``None``: by
    servers that are known to do so."""

    @property
    def effort(self) -> Reasoning | None:
        """How much the model is to think, for those who cannot be told in tokens.

        :raises ValueError: it is told in tokens.
        """
        if self.reasoning_budget is not None:
            raise ValueError(
                "this provider has no reasoning_budget; set reasoning to low, medium or high"
            )
        return self.reasoning


@dataclass(frozen=True, slots=True)
class ModelsAsk(Ask):
    """Which models there are."""


@dataclass(frozen=True, slots=True)
class ModelList(Reply):
    """The models that the provider has for whoever asked."""

    names: frozenset[str]

    def has(self, model: str) -> bool:
        """Whether the model is one of them."""
        return is_listed(model, self.names)


def is_listed(model: str, names: Collection[str | None]) -> bool:
    """Whether a model is among these names. Ollama lists ``tiny:latest`` and answers to ``tiny``
    as well, on all of its faces."""
    return bool({model, f"{model}:latest", model.removesuffix(":latest")} & set(names))


@dataclass(frozen=True, slots=True)
class ModelFound(Reply):
    """The provider was asked for this very model, and has it."""


@dataclass(frozen=True, slots=True)
class EmbeddingsAsk(Ask):
    """Texts to be turned into vectors; the first says always the same, the last never."""

    texts: tuple[str, ...]
    dimensions: int | None = None
    """How long the vectors are to be, for models that leave the choice."""


@dataclass(frozen=True, slots=True)
class Vectors(Reply):
    """A vector for each text, in the order of the texts."""

    vectors: tuple[tuple[float, ...], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RerankAsk(Ask):
    """Documents to be ordered by how well they answer a query."""

    query: str
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ranking(Reply):
    """The positions of the documents, counted from 0, the best first."""

    order: tuple[int, ...]
