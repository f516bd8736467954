"""Tool calls in content blocks, which start with a name and continue with arguments (Anthropic,
Bedrock)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from exporter.providers.base import Output, OutputKind
from exporter.providers.calls import CallPiece


class CallBlock:
    """The current block, if it is a tool call. Blocks don't overlap."""

    def __init__(self) -> None:
        self._call: CallPiece | None = None
        self._is_streamed = False

    def begin(self, call: CallPiece | None) -> None:
        """Start a block. ``call`` is ``None`` unless the block calls a tool that the probe
        offered."""
        self._call, self._is_streamed = call, False

    def output(self, output: Output) -> Output:
        """Return a piece of output, with the call that it belongs to."""
        if self._call is None or output.kind is not OutputKind.TOOL:
            return output
        name, self._is_streamed = None if self._is_streamed else self._call.name, True
        return replace(output, call=CallPiece(name, output.text))

    def end(self) -> Iterator[Output]:
        """End the block, and yield the call if none of its arguments were streamed.

        A call without arguments streams nothing, and some gateways send all arguments with the
        start of the block. Only the end shows that no more follow.
        """
        call, self._call = self._call, None
        if call and not self._is_streamed and (text := call.arguments or call.name):
            yield Output(OutputKind.TOOL, text, call=call)
