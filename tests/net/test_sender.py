"""When bytes were sent, and the queue in which the kernel says so."""

from __future__ import annotations

import asyncio
import select
import socket
import sys
from collections.abc import Iterator

import pytest

from exporter.net.exchange import Exchange
from exporter.net.receiver import Receiver
from exporter.net.sender import Sender
from exporter.net.tcp import TcpStream
from exporter.process.loop import ProbingLoop
from tests.sockets import PATIENCE_SECONDS, stamped

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux stamps what is sent")
BIG = 8 << 20


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection, neither of which waits."""
    with stamped() as (ours, theirs):
        ours.setblocking(False)
        yield ours, theirs


def events(sock: socket.socket) -> int:
    """What poll reports of this socket, other than that it is writable."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return sum(found for _, found in poll.poll(0))


def test_bytes_are_sent_before_they_arrive_however_late_the_call_returns(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    sender, receiver = Sender(ours), Receiver(theirs)
    sent = sender.send(memoryview(b"x"))
    assert select.select([theirs], [], [], PATIENCE_SECONDS)[0]
    _, arrival = receiver.receive(10)
    assert sent.accepted == 1
    assert sent.began <= sent.at
    assert sent.at - sent.uncertainty <= arrival.at + arrival.doubt
    assert events(ours) == 0


def test_the_stamp_is_taken_out_of_the_queue(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = pair
    sender = Sender(ours)
    ours.send(b"x")
    assert events(ours) & select.POLLERR
    assert sender.take_stamp() is not None
    assert sender.take_stamp() is None
    assert events(ours) == 0


def test_a_stamp_that_came_late_is_no_sign_of_an_answer(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Nor does it keep the loop busy."""
    ours, theirs = pair

    async def main() -> tuple[bool, bytes, int]:
        stream = TcpStream(ours)
        turns = 0
        taken: list[bytes] = []
        ours.send(b"x")
        is_readable = stream.is_readable
        ours.send(b"x")

        def take(data: bytes) -> bool:
            taken.append(data)
            return False

        receiving = asyncio.create_task(stream.receive(Exchange(), take))
        for _ in range(20):
            await asyncio.sleep(0.001)
        turns = events(ours)
        theirs.send(b"answer")
        await receiving
        return is_readable, taken[0], turns

    with asyncio.Runner(loop_factory=ProbingLoop) as runner:
        assert runner.run(main()) == (False, b"answer", 0)


def test_a_request_that_does_not_fit_into_the_kernel_is_sent_whole(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair

    async def main() -> int:
        loop = asyncio.get_running_loop()
        exchange = Exchange()
        writing = asyncio.create_task(TcpStream(ours).write(b"x" * BIG, exchange))
        count = 0
        while count < BIG:
            count += len(await loop.sock_recv(theirs, 1 << 16))
        await writing
        assert exchange.sent is not None
        return count

    with asyncio.Runner(loop_factory=ProbingLoop) as runner:
        assert runner.run(main()) == BIG
