"""How long one operation on a stream may take, and how much it may read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

READ_BYTES = 1 << 12
"""At most so much is read and taken apart at a time. Cut by a hostile server into chunks of one
byte, 64 KiB would keep every other stream waiting for a quarter of a second."""

T = TypeVar("T")


async def within(seconds: float | None, expired: type[Exception], operation: Awaitable[T]) -> T:
    """The result of an operation, or the exception that httpcore expects for its timeout."""
    if seconds is None:
        return await operation
    try:
        async with asyncio.timeout(seconds):
            return await operation
    except TimeoutError as error:
        raise expired(f"timed out after {seconds:g} s") from error
