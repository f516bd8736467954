"""When bytes arrived, and how certain that is."""

from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from exporter.net.kernel_clock import Arrival
from exporter.net.receiver import Receiver
from exporter.process.loop import ProbingLoop
from exporter.process.stamps import stamp_arrivals

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives receive times for TCP")
MS = 1_000_000
PATIENCE_SECONDS = 10


@contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield a sender, and a receiver with receive timestamps."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as sender,
    ):
        receiver, _ = listener.accept()
        with receiver:
            stamp_arrivals(receiver)
            receiver.settimeout(PATIENCE_SECONDS)
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


def read(sock: socket.socket, empty_at: int) -> tuple[bytes, Arrival]:
    """Read once, and know when the socket was last empty."""
    receiver = Receiver(sock)
    receiver.empty_at = empty_at
    return receiver.receive(10)


@LINUX
def test_a_read_that_is_late_is_not_measured_late() -> None:
    with connected() as (sender, receiver):
        before = time.monotonic_ns()
        sender.send(b"x")
        after = time.monotonic_ns()
        time.sleep(0.05)
        _, arrival = read(receiver, before)
    assert before - arrival.doubt - MS < arrival.at < after + MS
    assert arrival.lag is not None
    assert arrival.lag > 40 * MS
    assert arrival.waited is not None
    assert arrival.waited >= arrival.lag


@LINUX
def test_a_loop_that_probes_keeps_the_kernel_stamping() -> None:
    """Between two isolated probes, no connection requests timestamps."""
    loop = ProbingLoop()
    try:
        with connected():  # timestamps are now enabled
            pass
        time.sleep(0.05)  # they would be disabled by now
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            socket.create_connection(listener.getsockname()) as sender,
        ):
            receiver, _ = listener.accept()
            with receiver:
                receiver.settimeout(PATIENCE_SECONDS)
                before = time.monotonic_ns()
                sender.send(b"x")
                time.sleep(0.05)
                stamp_arrivals(receiver)
                _, arrival = read(receiver, before)
        assert arrival.stamp is not None
    finally:
        loop.close()


@LINUX
def test_a_stamp_from_before_the_socket_was_empty_is_no_arrival() -> None:
    """The wall clock jumped forward, or a lost segment came after the ones that followed it."""
    with connected() as (sender, receiver):
        sender.send(b"x")
        time.sleep(0.05)
        empty_at = time.monotonic_ns()
        _, arrival = read(receiver, empty_at)
    assert arrival.lag is None
    assert arrival.at >= empty_at
    assert arrival.uncertainty(last=True) == arrival.at - empty_at


@pytest.mark.parametrize(
    ("at", "doubt"),
    [
        (100 * MS, 90 * MS),  # timestamped when the machine continued
        (101 * MS, 91 * MS),
        (50 * MS, 0),  # the kernel was running: only this process wasn't
        (300 * MS, 0),
    ],
)
def test_what_came_while_the_whole_machine_may_have_stood_still_is_uncertain(
    at: int, doubt: int
) -> None:
    arrival = Arrival(at, lag=0, waited=0).unless_absent(10 * MS, 100 * MS)
    assert arrival.uncertainty(last=True) == doubt
