"""Calls that are told as blocks, which begin with a name and go on with arguments (Anthropic,
Bedrock)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from exporter.providers.base import Output, OutputKind
from exporter.providers.calls import CallPiece


class CallBlock:
    """The block that is under way, if it is a call. One comes after the other."""

    def __init__(self) -> None:
        self._call: CallPiece | None = None
        self._is_told = False

    def begin(self, call: CallPiece | None) -> None:
        """A block begins; ``None`` where it is no call of a tool of ours."""
        self._call, self._is_told = call, False

    def output(self, output: Output) -> Output:
        """A piece of output, and of which call it is."""
        if self._call is None or output.kind is not OutputKind.TOOL:
            return output
        name, self._is_told = None if self._is_told else self._call.name, True
        return replace(output, call=CallPiece(name, output.text))

    def end(self) -> Iterator[Output]:
        """The block is over. Of a call without arguments nothing was streamed, and some gateways
        tell all arguments as it begins: only here it is known that no more follow."""
        call, self._call = self._call, None
        if call and not self._is_told and (text := call.arguments or call.name):
            yield Output(OutputKind.TOOL, text, call=call)
