"""Reads of several segments, and what is known about the arrival of each."""

from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.net.kernel_clock import Arrival
from exporter.net.receiver import Receiver
from exporter.process.stamps import KeptStamps
from tests.sockets import PATIENCE_SECONDS, stamped

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux gives receive times for TCP"
)
MS = 1_000_000
EVENT = b"data: {}\n\n"
CHUNK = b"a\r\ndata: {}\n\n\r\n"
RECORD = b"\x17\x03\x03\x00\x05hello"
TRIES = 200


class Interrupted(socket.socket):
    """A socket where something happens right after the kernel's counts were read."""

    then: Callable[[], object] = staticmethod(lambda: None)

    def getsockopt(self, *option: int) -> bytes:  # type: ignore[override]
        counts: bytes = super().getsockopt(*option)  # type: ignore[assignment]
        then, self.then = self.then, lambda: None
        then()
        return counts


class Connection(NamedTuple):
    """Both ends of a connection."""

    sender: socket.socket
    sock: socket.socket
    receiver: Receiver

    def send(self, *messages: bytes) -> list[tuple[int, int]]:
        """Send each message as a segment. Returns when each was sent: not before, not after."""
        times = []
        for message in messages:
            began = time.monotonic_ns()
            self.sender.sendall(message)
            times.append((began, time.monotonic_ns()))
        return times

    def read(self, max_bytes: int = 4096) -> list[tuple[bytes, Arrival]]:
        """Everything in the socket, which isn't empty."""
        select.select([self.sock], [], [], PATIENCE_SECONDS)
        found = [self.receiver.receive(max_bytes)]
        while self.receiver.has_waiting:
            found.append(self.receiver.receive(max_bytes))
        return found


@contextmanager
def connected() -> Iterator[Connection]:
    """A connection whose kernel stamps arrivals."""
    with stamped() as (sender, sock):
        yield Connection(sender, sock, Receiver(sock))


@pytest.fixture(scope="module", autouse=True)
def stamps() -> Iterator[None]:
    kept = KeptStamps()
    yield
    kept.close()


def test_one_late_segment_has_one_time() -> None:
    with connected() as connection:
        connection.send(EVENT * 3)
        time.sleep(0.03)
        ((data, arrival),) = connection.read()
    assert data == EVENT * 3
    assert arrival.lag is not None
    assert arrival.lag > 20 * MS
    assert arrival.uncertainty(last=False) == arrival.doubt


@pytest.mark.parametrize("message", [EVENT, CHUNK, RECORD, b'{"done":false}\n\r\n'])
def test_messages_in_segments_of_their_own_are_told_apart(message: bytes) -> None:
    """The kernel may merge segments, so this tries again until it hasn't."""
    found: list[tuple[bytes, Arrival]] = []
    with connected() as connection:
        for _ in range(TRIES):
            connection.send(message, message, message)
            time.sleep(0.001)
            found = connection.read()
            if len(found) == 3:
                break
    assert [data for data, _ in found] == [message] * 3
    assert [arrival.uncertainty(last=False) for _, arrival in found] == [
        arrival.doubt for _, arrival in found
    ]
    assert found[0][1].at < found[1][1].at < found[2][1].at


def test_a_segment_that_arrives_between_the_count_and_the_read_is_noticed() -> None:
    with stamped() as (sender, plain), Interrupted(fileno=plain.detach()) as sock:
        sock.setblocking(False)
        connection = Connection(sender, sock, Receiver(sock))

        def send_another() -> None:
            sender.sendall(EVENT)
            time.sleep(0.01)

        connection.send(EVENT)
        time.sleep(0.01)
        sock.then = send_another
        ((data, both),) = connection.read()
        assert data == EVENT * 2
        assert (both.uncertainty(last=False) or 0) > 8 * MS

        connection.send(EVENT)
        time.sleep(0.01)
        ((_, alone),) = connection.read()
        assert alone.uncertainty(last=False) == alone.doubt


@pytest.mark.parametrize("max_bytes", [len(EVENT), 2 * len(EVENT), 3 * len(EVENT)])
def test_more_than_one_read_takes_is_read_whole(max_bytes: int) -> None:
    with connected() as connection:
        connection.send(EVENT, EVENT, EVENT)
        time.sleep(0.01)
        found = b"".join(
            data
            for _ in range(0, 3 * len(EVENT), max_bytes)
            for data, _ in connection.read(max_bytes)
        )
    assert found == EVENT * 3


def test_what_ends_after_segments_that_were_not_told_apart_is_the_end() -> None:
    with connected() as connection:
        connection.send(b"x" * 60, b"y" * 60)
        connection.sender.shutdown(socket.SHUT_WR)
        time.sleep(0.01)
        read = [connection.read(max_bytes=60) for _ in range(3)]
    assert [data for ((data, _),) in read] == [b"x" * 60, b"y" * 60, b""]


def test_a_message_in_two_segments_is_read_at_once() -> None:
    with connected() as connection:
        connection.send(EVENT[:5], EVENT[5:] + EVENT[:3], EVENT[3:])
        time.sleep(0.01)
        ((data, arrival),) = connection.read()
    assert data == EVENT * 2
    waited = arrival.uncertainty(last=False)
    assert waited is not None
    assert waited > arrival.doubt


def test_after_a_read_of_a_part_the_next_one_is_not_taken_for_one_segment() -> None:
    with connected() as connection:
        connection.send(EVENT * 2)
        time.sleep(0.005)
        connection.read(max_bytes=len(EVENT))
        connection.send(EVENT)
        time.sleep(0.005)
        ((data, arrival),) = connection.read()
        assert data == EVENT * 2
        assert (arrival.uncertainty(last=False) or 0) > arrival.doubt
        connection.send(EVENT)
        time.sleep(0.005)
        ((_, arrival),) = connection.read()
    assert arrival.uncertainty(last=False) == arrival.doubt  # it counts again


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([EVENT, CHUNK, b"{}\n", b"x"]), st.sampled_from([0, 0, 1, 5])),
        min_size=1,
        max_size=9,
    ),
    st.sampled_from([0, 2, 30]),
)
def test_no_message_arrived_outside_what_is_claimed(
    messages: list[tuple[bytes, int]], late_ms: int
) -> None:
    with connected() as connection:
        sent = []
        for message, pause_ms in messages:
            sent += connection.send(message)
            time.sleep(pause_ms / 1e3)
        time.sleep(late_ms / 1e3)
        found = connection.read()
    assert b"".join(data for data, _ in found) == b"".join(data for data, _ in messages)
    end, at = 0, 0
    ends = []
    for data, arrival in found:
        end += len(data)
        ends.append((end, arrival))
    for (message, _), (began, done) in zip(messages, sent, strict=True):
        at += len(message)
        holder_end, arrival = next(one for one in ends if one[0] >= at)
        uncertainty = arrival.uncertainty(last=at == holder_end) or 0
        assert arrival.at - uncertainty <= done + arrival.doubt
        assert arrival.at >= began - arrival.doubt
