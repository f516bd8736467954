"""A model server that boots like vLLM: ``python -m tests.deploy.model_server PORT``.

At first it refuses connections. Then its health page and its model return that they aren't ready.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from exporter.simulator import Boot, Script, Simulator

LISTENS_AFTER_SECONDS = 0.6
BOOTS_SECONDS = 1.5


async def serve(port: int) -> None:
    script = Script(first_token_seconds=0.02, boot=Boot(seconds=BOOTS_SECONDS))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    scripts = {"default": script}
    async with Simulator(scripts, port=port, listen_after_seconds=LISTENS_AFTER_SECONDS):
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
