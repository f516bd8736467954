"""When bytes arrived, and how certain that is."""

from __future__ import annotations

import socket
import sys
import time

import pytest

from exporter.net.kernel_clock import Arrival
from exporter.net.receiver import Receiver
from exporter.process.loop import ProbingLoop
from exporter.process.stamps import stamp_arrivals
from tests.sockets import connected, stamped

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives receive times for TCP")
MS = 1_000_000


def read(sock: socket.socket, empty_at: int) -> tuple[bytes, Arrival]:
    """Read once, and know when the socket was last empty."""
    receiver = Receiver(sock)
    receiver.empty_at = empty_at
    return receiver.receive(10)


@LINUX
def test_a_read_that_is_late_is_not_measured_late() -> None:
    with stamped() as (sender, receiver):
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
        with stamped():  # timestamps are now enabled
            pass
        time.sleep(0.05)  # they would be disabled by now
        with connected() as (sender, receiver):
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
    with stamped() as (sender, receiver):
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
