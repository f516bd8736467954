"""The format of a faulty answer, and common pieces of such answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from exporter.config.plan import Timeouts
from exporter.result import FailureReason as R
from tests.limits import PATIENT, limits_for
from tests.wire import LAST_CHUNK, STREAM_HEAD, Step, chunk, response

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n"
SUCCESS: R | None = None


class Behaviour(NamedTuple):
    """One answer of a server."""

    name: str
    script: Sequence[Step]
    reasons: tuple[R | None, ...]
    """The correct reasons, normally one."""
    waits: bool = False
    """Whether the probe ends by a timeout, which takes a while."""
    provider: str = "openai"

    @property
    def limits(self) -> Timeouts:
        """Only a fault that waits gets a short timeout, because a busy machine can be slow."""
        reason = self.reasons[0] if self.waits else None
        if reason is R.RATE_LIMITED:  # even a late server says so much before its silence
            return replace(PATIENT, total=4)
        return limits_for(reason)


def event(**fields: object) -> bytes:
    """Return one chat.completion.chunk as an event."""
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def said(text: str = "1", finish: str | None = None, **fields: object) -> bytes:
    return event(choices=[{"delta": {"content": text}, "finish_reason": finish}], **fields)


DONE = b"data: [DONE]\n\n"
GOOD = said("1", usage={"prompt_tokens": 9, "completion_tokens": 2}) + said("2", "stop")
WHOLE: list[Step] = [STREAM_HEAD, chunk(GOOD), chunk(DONE), LAST_CHUNK]


def stream(*bodies: bytes) -> list[Step]:
    """Return these pieces as a complete chunked body."""
    return [STREAM_HEAD, *map(chunk, bodies), LAST_CHUNK]


def body(data: bytes, *headers: bytes, status: int = 200) -> list[Step]:
    return [response(status, data, *headers)]
