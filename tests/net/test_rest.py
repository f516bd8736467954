"""How the loop rests while many probes wait."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from exporter.process.loop import ProbingLoop
from tests.waiting import timed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="rests only where reads are dated")
MANY = 65
ROUNDS = 50
MS = 0.001


@contextmanager
def echo() -> Iterator[socket.socket]:
    """A socket whose peer sends back each byte soon, but not at once."""
    ours, theirs = socket.socketpair()
    pause = threading.Event()

    def answer() -> None:
        while byte := theirs.recv(1):
            pause.wait(0.3 * MS)
            theirs.sendall(byte)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        ours.setblocking(False)
        yield ours
    finally:
        ours.close()
        thread.join()
        theirs.close()


async def rounds(sock: socket.socket) -> float:
    """Send a byte and wait for it, again and again. Returns the seconds that it took."""
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    for _ in range(ROUNDS):
        await loop.sock_sendall(sock, b"x")
        await loop.sock_recv(sock, 1)
    return time.monotonic() - began


def seconds(*, waiting: int, is_timing: bool = False) -> tuple[float, list[float]]:
    """The seconds that the rounds took with this many probes waiting, and the rests."""
    rests: list[float] = []

    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ProbingLoop)
        for _ in range(waiting):
            loop.watch()
        with echo() as sock:
            if not is_timing:
                return await rounds(sock)
            with loop.without_rest():
                return await rounds(sock)

    with pytest.MonkeyPatch.context() as patch:
        sleep = time.sleep

        def rest(duration: float) -> None:
            rests.append(duration)
            sleep(duration)

        patch.setattr("exporter.process.selector.time.sleep", rest)
        with asyncio.Runner(loop_factory=ProbingLoop) as runner:
            return runner.run(main()), rests


def test_with_many_probes_it_rests_for_a_millisecond_at_most() -> None:
    _, rests = seconds(waiting=MANY)
    assert rests
    assert max(rests) <= MS


def test_with_few_probes_it_never_rests() -> None:
    assert seconds(waiting=MANY - 1)[1] == []


def test_it_never_rests_while_times_depend_on_its_own_clock() -> None:
    took, rests = seconds(waiting=MANY, is_timing=True)
    assert rests == [] or took > 0.5  # a machine this slow exceeds the limit of such a block


@timed
def test_it_is_back_when_a_timer_is_due() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ProbingLoop)
        for _ in range(MANY):
            loop.watch()
        late = []
        for _ in range(ROUNDS):
            due = loop.time() + 0.3 * MS
            await asyncio.sleep(0.3 * MS)
            late.append(loop.time() - due)
        return min(late)

    with asyncio.Runner(loop_factory=ProbingLoop) as runner:
        assert runner.run(main()) < 0.6 * MS
