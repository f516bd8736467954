"""What the network did for one request, recorded as it happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from exporter.net.kernel_clock import Arrival
from exporter.net.sender import Sent
from exporter.process.loop import suspended_ns
from exporter.result import ConnectionPhases

_COMPARED_BYTES = 64
_READING_NS = 1_000_000
"""Two clocks can't be read at the same moment."""


def nothing() -> None:
    """Do nothing."""


@dataclass(slots=True)
class Exchange:
    """What the network did for one request, recorded as it happens."""

    connection: ConnectionPhases | None = None
    """``None`` if no connection had to be opened."""
    began: int | None = None
    """When the first bytes of the request were about to be handed to the kernel, monotonic
    nanoseconds."""
    sent: int | None = None
    """When the latest bytes of the request were handed to the kernel, monotonic nanoseconds."""
    sent_uncertainty: int = 0
    """How much earlier that may have been, in nanoseconds. Without the kernel's stamp, the process
    may have been preempted on its way back from the kernel."""
    answered: int | None = None
    """When the status line and the headers of the answer had arrived, monotonic nanoseconds."""
    arrival: Arrival | None = None
    """The latest read."""
    read: bytes = field(default=b"", repr=False)
    """Its bytes. With TLS, the latest record decrypted from them."""
    has_more: bool = False
    """Whether the latest read also held the beginning of another TLS record."""
    heard: bool = False
    """Whether a byte of the response has arrived."""
    retries: int = 0
    """How often the request was sent again because a kept connection turned out to be closed."""
    closed: bool = False
    """Whether the peer has closed the connection."""
    certificate_expires_at: float | None = None
    """``notAfter`` of the server's certificate, Unix seconds."""
    suspended_before: int = field(default_factory=suspended_ns)
    """For how long the machine had been suspended when this began, nanoseconds."""
    on_sent: Callable[[], None] = field(default=nothing, repr=False)
    """Called whenever ``sent`` has moved."""

    @property
    def uncertainty(self) -> int:
        """How far off the time since sending may be, in nanoseconds, even if all arrivals are known
        exactly. The clock stands still while the machine is suspended."""
        return self.sent_uncertainty + max(0, suspended_ns() - self.suspended_before - _READING_NS)

    @property
    def is_answer_stale(self) -> bool:
        """Whether the response was read, or arrived, before the request was sent. A server that
        sends more than it was asked for leaves such bytes in the connection."""
        return self.began is None or self.arrival is None or self.arrival.at < self.began

    def ends_read(self, data: bytes) -> bool:
        """Whether the latest read ended with the end of this part of the body. If so, the kernel's
        stamp belongs to its last byte. The line end of an HTTP chunk arrives with the chunk. The
        empty chunk at the very end may be a write, and so a segment, of its own."""
        end = data[-_COMPARED_BYTES:]
        return not self.has_more and self.read.endswith((end, end + b"\r\n"))

    def latest_arrival(self) -> Arrival:
        """The latest read, or the present if there was none."""
        return self.arrival or Arrival(time.monotonic_ns(), None)

    def begin_again(self) -> None:
        """Forget a connection that the peer had closed before it could respond."""
        self.began = self.sent = self.arrival = None
        self.sent_uncertainty = 0
        self.read, self.has_more, self.closed = b"", False, False
        self.retries += 1

    def was_sent(self, sent: Sent) -> None:
        """Record that the kernel accepted the latest bytes of the request."""
        self.began = self.began or sent.began
        self.sent, self.sent_uncertainty = sent.at, sent.uncertainty
        self.on_sent()

    def was_answered(self, at: int) -> None:
        """Record that the response began to arrive at this time, monotonic nanoseconds. If the
        process was preempted on its way back from the kernel, ``sent`` was taken too late."""
        self.answered = at
        self.sent = min(at, self.sent or at)
