"""Messages that differ in nothing but the text of their output.

Nearly all messages of a stream are such: the same fields with the same values, and another piece of
the answer. Once one of them was parsed, the others need not be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from exporter.providers.base import Event, Output

_MAX_BYTES = 4096
"""A longer message is parsed, which minds how many parts it has."""
_NOT_AS_IT_IS = re.compile(rb'["\\\x00-\x1f]')
"""What a JSON string cannot hold as it is (RFC 8259 section 7)."""


class Alike:
    """Reads messages that are like the latest one that was parsed, if that was nothing but output.

    Why that is the same as parsing them: the text of the output stood in that message once, as a
    JSON string. There was no backslash in the message, so no string was written in another way, and
    the one that was found is the one that became the output. What stands before and after it is
    the same now, and what stands between is again one JSON string: every parser finds the same
    values in the same places, but for this one.

    It is for dialects to which a message of nothing but output means the same as long as none that
    means more has come since.
    """

    def __init__(self) -> None:
        self._first: Output | None = None
        self._before = self._after = b""

    def learn(self, message: bytes, events: Sequence[Event]) -> None:
        """Take note of a message that was parsed, and of all that it means."""
        self._first = None
        if len(events) != 1 or not isinstance(output := events[0], Output):
            return
        text = b'"%s"' % output.text.encode(errors="surrogatepass")
        if output.is_summary or output.call or b"\\" in message or message.count(text) != 1:
            return
        before, _, after = message.partition(text)
        self._first, self._before, self._after = output, before + b'"', b'"' + after

    def output(self, message: bytes) -> Output | None:
        """The output, which is all that the message means; ``None`` where it has to be parsed."""
        first, start, end = self._first, len(self._before), len(message) - len(self._after)
        if (
            first is None
            or start >= end
            or len(message) > _MAX_BYTES
            or not message.startswith(self._before)
            or not message.endswith(self._after)
        ):
            return None
        text = message[start:end]
        if _NOT_AS_IT_IS.search(text):
            return None
        try:
            return Output(first.kind, text.decode())
        except UnicodeDecodeError:
            return None
