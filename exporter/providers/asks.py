"""What is asked, each kind of probe in its own words, and what comes back in one piece.

A kind of probe makes an ``Ask``, nonce and all; a dialect puts it on the wire. An answer that is
not streamed comes back as a ``Reply``, which the kind judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a probe can ask."""

    CHAT = "chat"
    MODELS = "models"


class Ask:
    """What one request asks of a model."""


class Reply:
    """An answer that comes in one piece."""


@dataclass(frozen=True, slots=True)
class ChatAsk(Ask):
    """A prompt, whose answer is streamed."""

    prompt: str
    max_output_tokens: int


@dataclass(frozen=True, slots=True)
class ModelsAsk(Ask):
    """Which models there are."""


@dataclass(frozen=True, slots=True)
class ModelList(Reply):
    """The models that the provider has for whoever asked."""

    names: frozenset[str]

    def has(self, model: str) -> bool:
        """Whether the model is one of them."""
        return model in self.names


@dataclass(frozen=True, slots=True)
class ModelFound(Reply):
    """The provider was asked for this very model, and has it."""
