"""Connections over loopback whose kernel stamps what arrives."""

from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from exporter.net.receiver import Receiver
from exporter.process.stamps import stamp_arrivals

PATIENCE_SECONDS = 10


@contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield two ends of a connection. The first one sends at once, the second one never waits."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as sender,
    ):
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        receiver, _ = listener.accept()
        with receiver:
            receiver.setblocking(False)
            yield sender, receiver


@contextmanager
def stamped() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield a sender, and a receiver with receive timestamps where the system has them."""
    with connected() as (sender, receiver):
        stamp_arrivals(receiver)
        if sys.platform == "linux":
            _until_stamped(sender, receiver)
        yield sender, receiver


def _until_stamped(sender: socket.socket, receiver: socket.socket) -> None:
    """Wait until the kernel timestamps packets. The first socket that requests timestamps enables
    them, but a work queue does so with a delay."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        sender.send(b"w")
        select.select([receiver], [], [], PATIENCE_SECONDS)
        _, arrival = Receiver(receiver).receive(10)
        if arrival.stamp is not None:
            return
        assert time.monotonic() < deadline, "the kernel stamps nothing"
