"""llama.cpp's own server, from a wheel: ``llama_server.py MODEL PORT STREAMS``.

It serves up to ``STREAMS`` streams at once with one computing thread, until its standard input is
closed. Run it with the Python of the environment ``llamacpp``.
"""

from __future__ import annotations

import sys

from xllamacpp import CommonParams, Server

CONTEXT_TOKENS_PER_STREAM = 2048


def main() -> None:
    model, port, streams = sys.argv[1:]
    params = CommonParams()
    params.model.path = model
    params.model_alias = ["tiny"]
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    params.n_parallel = int(streams)
    params.n_ctx = CONTEXT_TOKENS_PER_STREAM * int(streams)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup = True
    server = Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
