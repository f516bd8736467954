"""Tool calls, assembled from the pieces of a stream."""

from __future__ import annotations

from dataclasses import dataclass, field


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
        return tuple(ToolCall(call.name, "".join(call.arguments)) for call in self._calls)


def _begins_another(piece: CallPiece, call: _Open) -> bool:
    if piece.index is None and piece.name:
        return True
    return bool(piece.id and call.id and piece.id != call.id)
