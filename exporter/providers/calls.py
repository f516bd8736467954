"""Tool calls, assembled from the pieces of a stream."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BeforeValidator


def _as_json(arguments: object) -> str:
    if isinstance(arguments, str):
        return arguments
    return json.dumps(arguments, ensure_ascii=False) if arguments else ""


Arguments = Annotated[str, BeforeValidator(_as_json)]
"""Arguments as JSON text. Some servers send an object where others send its text, or null."""


@dataclass(frozen=True, slots=True)
class CallPiece:
    """A piece of a tool call. Servers that send whole calls omit the ``index``."""

    name: str | None = None
    arguments: str = ""
    index: int | None = None
    """The position of the call in the answer."""
    id: str | None = None
    """The provider's ID of the call. Some servers give several calls the same index."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete tool call."""

    name: str
    arguments: str
    """JSON as the model wrote it. Empty if the model wrote none."""

    def __str__(self) -> str:
        return f"{self.name}({self.arguments})"


@dataclass(slots=True)
class _Open:
    name: str
    id: str | None
    arguments: list[str] = field(default_factory=list)

    @property
    def written(self) -> str:
        """The arguments, without the empty object with which some gateways begin them (Envoy's AI
        gateway in front of Claude)."""
        text = "".join(self.arguments)
        rest = text.removeprefix("{}")
        return rest if rest.strip() else text


class Calls:
    """The tool calls of one answer, as they arrive."""

    def __init__(self) -> None:
        self._calls: list[_Open] = []
        self._by_index: dict[int | None, _Open] = {}

    def add(self, piece: CallPiece) -> None:
        call = self._by_index.get(piece.index)
        if call is None or _begins_another(piece, call):
            call = self._by_index[piece.index] = _Open("", piece.id)
            self._calls.append(call)
        # Some servers repeat the name in every piece. Others split the name into pieces, too.
        if piece.name and piece.name != call.name:
            call.name += piece.name
        call.id = call.id or piece.id
        call.arguments.append(piece.arguments)

    def whole(self) -> tuple[ToolCall, ...]:
        """Return the calls in the order in which they started."""
        return tuple(ToolCall(call.name, call.written) for call in self._calls)


def _begins_another(piece: CallPiece, call: _Open) -> bool:
    if piece.index is None and piece.name:
        return True
    return bool(piece.id and call.id and piece.id != call.id)
