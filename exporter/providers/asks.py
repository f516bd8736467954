"""Questions of each kind of probe, and answers that come in one piece.

A kind of probe creates an ``Ask``, including its nonce, and a dialect turns it into a request. An
answer that isn't streamed comes back as a ``Reply``, and the kind of probe checks it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of probes."""

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
    """Who speaks in a conversation."""

    USER = "user"
    ASSISTANT = "assistant"


class Reasoning(StrEnum):
    """How much the model should reason."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier message of the conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is part of the question."""

    data: bytes = field(repr=False)
    media_type: str
    """For example, ``image/png``."""
    says: str | None = None
    """The text in the picture, if known."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model can call instead of answering."""

    name: str
    description: str | None
    parameters: Mapping[str, object]
    """The JSON schema of the tool's arguments."""


@dataclass(frozen=True, slots=True)
class ChatAsk(Ask):
    """A question with a streamed answer, and everything that is sent along with it."""

    prompt: str
    max_output_tokens: int
    system: str | None = None
    earlier: tuple[Turn, ...] = ()
    picture: Picture | None = None
    json_schema: Mapping[str, object] | None = None
    """The schema of the answer, which the provider must enforce."""
    tools: tuple[Tool, ...] = ()
    must_call: bool = False
    """Whether the model must call a tool, if the provider can require that."""
    caches_system: bool = False
    """Whether to cache the system prompt, for providers that cache only on request."""
    reasoning: Reasoning | None = None
    """``None`` leaves the choice to the model."""
    reasoning_budget: int | None = None
    """The most reasoning tokens, instead of ``reasoning``."""
    greedy: bool = False
    """Whether to ask for the likeliest answer, without sampling."""
    logprobs: bool | None = None
    """Whether to ask for the probabilities of the first token of a greedy answer. ``None`` asks
    only servers that are known to report them."""

    @property
    def effort(self) -> Reasoning | None:
        """The reasoning effort, for dialects without a token budget.

        :raises ValueError: the ask has a token budget.
        """
        if self.reasoning_budget is not None:
            raise ValueError(
                "this provider has no reasoning_budget; set reasoning to low, medium or high"
            )
        return self.reasoning


@dataclass(frozen=True, slots=True)
class ModelsAsk(Ask):
    """A request for the list of models."""


@dataclass(frozen=True, slots=True)
class ModelList(Reply):
    """The models that the caller can use."""

    names: frozenset[str]

    def has(self, model: str) -> bool:
        """Return whether the model is in the list."""
        return is_listed(model, self.names)


def is_listed(model: str, names: Collection[str | None]) -> bool:
    """Return whether a model is among these names.

    Ollama lists ``tiny:latest``, but also answers to ``tiny``, in all of its APIs.
    """
    return bool({model, f"{model}:latest", model.removesuffix(":latest")} & set(names))


@dataclass(frozen=True, slots=True)
class ModelFound(Reply):
    """The answer to a request for one model, which exists."""


@dataclass(frozen=True, slots=True)
class EmbeddingsAsk(Ask):
    """Texts to embed. The first text is always the same, the last text is always different."""

    texts: tuple[str, ...]
    dimensions: int | None = None
    """The requested length of the vectors, for models that support several."""


@dataclass(frozen=True, slots=True)
class Vectors(Reply):
    """One vector for each text, in the same order."""

    vectors: tuple[tuple[float, ...], ...] = field(repr=False)
    takes_one_text: bool = False
    """Whether the API takes one text, so that only the first has a vector."""


@dataclass(frozen=True, slots=True)
class RerankAsk(Ask):
    """Documents to rank by how well they answer a query."""

    query: str
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ranking(Reply):
    """The positions of the documents, counted from 0, best first."""

    order: tuple[int, ...]
