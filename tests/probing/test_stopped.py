"""A process that is stopped while an answer arrives: its results say how far off they can be."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import pytest

from benchmarks.truth.clients import Case
from benchmarks.truth.disturbances import DISTURBANCES
from benchmarks.truth.measuring import SCRIPTS, measure
from benchmarks.truth.served import Truth, truth_server
from tests.probing.test_probe import ENDING, ROLE, TOKEN
from tests.process import exporter
from tests.waiting import timed
from tests.wire import STREAM_HEAD, WireServer, wire_server

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives receive times for TCP")
LATE_SERVER_SECONDS = 0.1
"""How long the server can take to answer at all, because it is a thread of a busy process."""
ANSWER = (STREAM_HEAD + ROLE, 0.3, TOKEN, *(0.05, TOKEN) * 8, 0.2, ENDING)


@dataclass
class Probed:
    time_to_first_token: float
    max_stall: float | None
    """``None`` if all tokens came in one read."""
    uncertainty: float


def probed(server: WireServer, stop_after: float, stop_for: float) -> Probed:
    """Run one probe in a separate process, which is stopped after the request was sent."""
    address = ("--provider", "openai", "--model", "m", "--base-url", f"{server.url}/v1")
    command = exporter("probe", *address, "--json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while not server.requests:
            time.sleep(0.005)
        time.sleep(stop_after)
        os.kill(process.pid, signal.SIGSTOP)
        threading.Timer(stop_for, os.kill, (process.pid, signal.SIGCONT)).start()
        (result,) = json.loads(process.communicate()[0])["results"]
    assert result["success"]
    return Probed(
        result["time_to_first_token_seconds"],
        result["max_stall_seconds"],
        result["uncertainty_seconds"],
    )


def covers(seen: float, real: float, uncertainty: float) -> bool:
    return abs(seen - real) < uncertainty + LATE_SERVER_SECONDS


@timed
@LINUX
@pytest.mark.parametrize(
    ("stop_after", "stop_for"),
    [
        pytest.param(0.2, 0.45, id="before the first token and beyond"),
        pytest.param(0.4, 0.3, id="in the middle of the stream", marks=pytest.mark.slow),
        pytest.param(0.1, 0.1, id="in silence", marks=pytest.mark.slow),
        pytest.param(0.1, 5.0, id="over the whole answer", marks=pytest.mark.slow),
    ],
)
def test_a_stopped_process_knows_what_it_missed(stop_after: float, stop_for: float) -> None:
    with wire_server(ANSWER) as server:
        result = probed(server, stop_after, stop_for)
        times = [at / 1e9 for at in server.sent_at]
    tokens = times[1:-1]
    stall = max(later - earlier for earlier, later in itertools.pairwise(tokens))
    first = tokens[0] - times[0]
    assert covers(result.time_to_first_token, first, result.uncertainty)
    assert result.max_stall is None or covers(result.max_stall, stall, result.uncertainty)


READER = """
import asyncio, socket, sys
from exporter.process import loop

async def main():
    running, sock = asyncio.get_running_loop(), socket.socket(fileno=int(sys.argv[1]))
    def read():
        print(running.attentive_since_ns(sock.fileno()), sock.recv(1) and "", flush=True)
    running.add_reader(sock, read)
    running.watch()
    print("ready", flush=True)
    await asyncio.sleep(60)

loop.run(main())
"""


@LINUX
def test_a_look_that_a_stop_interrupted_has_seen_nothing() -> None:
    """After a stop, Python returns from the poll without another one if its time is up."""
    near, far = socket.socketpair()
    command = [sys.executable, "-c", READER, str(near.fileno())]
    with (
        near,
        far,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, pass_fds=[near.fileno()]
        ) as process,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        pairs = []
        for _ in range(12):
            time.sleep(0.02)
            os.kill(process.pid, signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
            far.send(b"x")
            sent_at = time.monotonic_ns()
            time.sleep(0.02)
            os.kill(process.pid, signal.SIGCONT)
            pairs.append((int(process.stdout.readline()), sent_at))
        process.kill()
    assert all(empty_at <= sent_at for empty_at, sent_at in pairs)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("go") is None, reason="the truth server is built with Go")
@pytest.mark.parametrize("disturbance", DISTURBANCES)
def test_claims_cover_the_truth_whatever_keeps_the_process_from_running(disturbance: str) -> None:
    """A small version of ``benchmarks.truth``, with the project's own accuracy goals."""
    case = Case("ours", SCRIPTS[16], 8, 20, "quiet")
    with truth_server() as url:
        pairs = measure(Truth(url), case, DISTURBANCES[disturbance])
    beyond = sorted(pair.beyond_claim for pair in pairs)
    assert len(beyond) > 20
    assert beyond[len(beyond) * 995 // 1000] < 0.0002  # the server's clocks and the kernel's
    assert beyond[-1] < 0.002
