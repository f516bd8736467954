"""Credentials of a call: the configured API key, or credentials from a cloud."""

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
    """Where a provider's calls get their credentials."""

    async def authorize(self, call: Call[A]) -> Call[A]:
        """Return the call with credentials that are valid now.

        :raises SecretError: there are no credentials.
        """
        ...


class KeyAlone:
    """The API key from the configuration, if there is one."""

    async def authorize(self, call: Call[A]) -> Call[A]:
        return call


class OwnThread:
    """A single thread for work that can hang. It starts with the first piece of work.

    A hanging instance-metadata service must block neither the event loop nor the threads that
    resolve the host names of other targets. One thread is enough, because all calls wait for the
    same answer.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @cached_property
    def _executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix=self._name)

    async def run(self, work: Callable[[], T]) -> T:
        """Return or raise what ``work`` returns or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)
