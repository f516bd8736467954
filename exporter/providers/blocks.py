"""Tool calls in content blocks, which start with a name and continue with arguments (Anthropic,
Bedrock)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from exporter.providers.base import Output, OutputKind
from exporter.providers.calls import CallPiece


class CallBlocks:
    """The blocks that are tool calls, by their index.

    Gateways in front of servers that call several tools at once let their blocks overlap, or
    continue one after its end. The official SDKs go by the index, too.
    """

    def __init__(self) -> None:
        self._numbers = count()
        """The numbers of the calls: some gateways give all blocks the same index."""
        self._calls: dict[int | None, CallPiece] = {}
        self._begun: set[int | None] = set()
        """The indexes of the blocks of which a piece was yielded."""

    def begin(self, at: int | None, call: CallPiece | None) -> None:
        """Start a block. ``call`` is ``None`` unless the block calls a tool that the probe
        offered."""
        self._begun.discard(at)
        if call:
            self._calls[at] = replace(call, index=next(self._numbers))
        else:
            self._calls.pop(at, None)

    def output(self, at: int | None, output: Output) -> Output:
        """Return a piece of output, with the call that it belongs to."""
        if output.kind is not OutputKind.TOOL or (call := self._calls.get(at)) is None:
            return output
        name = None if at in self._begun else call.name
        self._begun.add(at)
        return replace(output, call=replace(call, name=name, arguments=output.text))

    def end(self, at: int | None) -> Iterator[Output]:
        """End the block, and yield the call if none of its arguments were streamed.

        A call without arguments streams nothing, and some gateways send all arguments with the
        start of the block. Only the end shows that no more follow.
        """
        call = self._calls.get(at)
        if call and at not in self._begun and (text := call.arguments or call.name):
            self._begun.add(at)
            yield Output(OutputKind.TOOL, text, call=call)
