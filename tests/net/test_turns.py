"""How much of a response is parsed before other tasks get their turn."""

from __future__ import annotations

import asyncio

import pytest

from exporter.net.head import MAX_HEADERS, HeadGuard, TooManyHeaders
from exporter.net.kernel_clock import Arrival
from exporter.net.turn import Turn, pieces


async def turns_of_others(*parts: bytes, reads: int = 1) -> int:
    """Return how often other tasks ran while these parts were parsed."""
    count, turn = 0, Turn()

    async def other() -> None:
        nonlocal count
        while True:
            await asyncio.sleep(0)
            count += 1

    task = asyncio.create_task(other())
    for number in range(reads):
        arrival = Arrival(number, None)
        for part in parts:
            for piece in pieces(part):
                if turn.ends_with(piece, arrival):
                    await asyncio.sleep(0)
    task.cancel()
    return count


async def test_an_ordinary_stream_never_waits() -> None:
    event = b"data: " + b"x" * 200 + b"\n\n"
    assert await turns_of_others(event * 5, event * 5, reads=100) == 0
    assert await turns_of_others(b"x" * 4096, reads=100) == 0


async def test_a_long_read_is_taken_apart_in_several_turns() -> None:
    assert await turns_of_others(b"data:{}\n\n" * 455) >= 3
    assert await turns_of_others(b"\n" * 65536) >= 60


async def test_a_byte_in_a_chunk_of_its_own_costs_more_than_a_byte() -> None:
    assert await turns_of_others(*[b"x"] * 680) >= 8


def test_pieces_are_the_whole() -> None:
    data = b"line\n" * 999
    assert b"".join(pieces(data)) == data
    assert max(map(len, pieces(data))) <= 1024
    assert list(pieces(b"short")) == [b"short"]


HEAD = b"HTTP/1.1 200 OK\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"


def test_a_head_of_countless_lines_is_refused_before_it_is_whole() -> None:
    guard = HeadGuard()
    guard.check(HEAD)
    for _ in range(MAX_HEADERS):
        guard.check(b"a: b\r\n")
    with pytest.raises(TooManyHeaders):
        guard.check(b"a: b\r\n" * MAX_HEADERS)


def test_interim_responses_are_counted_each_from_its_own_beginning() -> None:
    guard = HeadGuard()
    for _ in range(1000):
        guard.check(INTERIM * 100)
    guard.check(HEAD + b"a: b\r\n" * MAX_HEADERS + b"\r\n")


def test_what_comes_with_the_end_of_a_head_is_not_of_it() -> None:
    HeadGuard().check(HEAD + b"\r\n" + b":\n" * 2000)
