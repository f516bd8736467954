"""The kind ``models``: checks that the provider is reachable, accepts the key, and lists the model.
Uses no tokens."""

from __future__ import annotations

from typing import ClassVar, Literal

from exporter.kinds.base import Heard, Probe
from exporter.providers.asks import Kind, ModelFound, ModelList, ModelsAsk
from exporter.providers.base import Call
from exporter.result import Failure, FailureReason
from exporter.settings.mistakes import nearest


class Models(Probe):
    """A request for the list of models, which uses no tokens."""

    kind: Literal[Kind.MODELS]

    streams: ClassVar[bool] = False
    runs_model: ClassVar[bool] = False

    def ask(self, text: str, nonce: str) -> ModelsAsk:
        return ModelsAsk()

    def judge(self, heard: Heard, call: Call[ModelsAsk]) -> Failure | None:
        if isinstance(heard.reply, ModelFound):
            return None
        if not isinstance(heard.reply, ModelList):
            return Failure(FailureReason.EMPTY, "the response is not a list of models")
        if heard.reply.has(call.model):
            return None
        near = nearest(call.model, heard.reply.names)
        offer = f"; the nearest is {near!r}" if near else ""
        count = len(heard.reply.names)
        return Failure(FailureReason.NOT_FOUND, f"the model is not among the {count} listed{offer}")
