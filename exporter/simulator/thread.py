"""Runs a simulator in its own thread, separate from the event loop that measures it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from exporter.simulator.server import Simulator


@contextmanager
def run_in_thread(
    simulator: Simulator, alongside: Callable[[Simulator], Coroutine[Any, Any, None]] | None = None
) -> Iterator[Simulator]:
    """Serve in another thread until the block ends.

    :param alongside: a coroutine to run in that thread at the same time.
    :raises OSError: the address isn't available.
    """
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        async with simulator:
            started.set_result((asyncio.get_running_loop(), stop))
            task = asyncio.ensure_future(alongside(simulator) if alongside else stop.wait())
            await stop.wait()
            task.cancel()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)  # otherwise the caller would wait forever

    thread = threading.Thread(target=run, name="simulator", daemon=True)
    thread.start()
    loop, stop = started.result()
    try:
        yield simulator
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
