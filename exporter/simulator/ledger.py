"""The simulator's record of what it did: the ground truth for measurements."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from exporter.result import Usage


@dataclass(frozen=True, slots=True)
class Sent:
    """One write with output, and the time just before it."""

    tokens: int
    monotonic_ns: int
    wall_ns: int
    """Unix time in nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One request and its outcome."""

    connection: int
    """The number of the connection in this simulator, from 1."""
    request: int
    """The number of the request on that connection, from 1."""
    path: str
    model: str | None
    prompt: str
    received_ns: int
    """When the request was complete, in monotonic nanoseconds."""
    status: int | None
    """``None`` if no status line was sent."""
    outputs: tuple[Sent, ...]
    usage: Usage | None
    """The reported usage. ``None`` if the response had none."""
    ended_ns: int
    """Just before the last write or the hang-up, in monotonic nanoseconds."""

    @property
    def tokens(self) -> int:
        """How many output tokens were sent."""
        return sum(sent.tokens for sent in self.outputs)


@dataclass(slots=True, kw_only=True)
class Entry:
    """A request in progress. It becomes a ``Served`` just before the client can see its end."""

    commit_to: Callable[[Served], None]
    connection: int
    request: int
    path: str
    received_ns: int = field(default_factory=time.monotonic_ns)
    model: str | None = None
    prompt: str = ""
    status: int | None = None
    outputs: list[Sent] = field(default_factory=list)
    usage: Usage | None = None
    committed: bool = False

    def sending(self, tokens: int) -> None:
        """Record output that is about to be written."""
        self.outputs.append(Sent(tokens, time.monotonic_ns(), time.time_ns()))

    def commit(self) -> None:
        if self.committed:
            return
        self.committed = True
        self.commit_to(
            Served(
                connection=self.connection,
                request=self.request,
                path=self.path,
                model=self.model,
                prompt=self.prompt,
                received_ns=self.received_ns,
                status=self.status,
                outputs=tuple(self.outputs),
                usage=self.usage,
                ended_ns=time.monotonic_ns(),
            )
        )
