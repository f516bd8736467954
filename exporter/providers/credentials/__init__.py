"""What a call needs to be let in: the configured API key, or what a cloud gives out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Protocol, TypeVar

from exporter.providers.asks import Ask
from exporter.providers.base import Call

A = TypeVar("A", bound=Ask)
T = TypeVar("T")


class Credentials(Protocol):
    """Where a provider's calls get what they need to be let in."""

    async def authorize(self, call: Call[A]) -> Call[A]:
        """The call, with credentials that are valid now.

        :raises SecretError: there are none.
        """
        ...


class KeyAlone:
    """The API key of the configuration, where there is one."""

    async def authorize(self, call: Call[A]) -> Call[A]:
        return call


class OwnThread:
    """One thread for work that may hang, started when there is work.

    An instance-metadata service that hangs must hold up neither the event loop nor the threads
    that resolve the names of other targets. One thread, since everybody waits for one answer.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @cached_property
    def _executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix=self._name)

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)
