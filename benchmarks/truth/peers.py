"""The accuracy of other tools compared with ours, measured against what the server really did.

guidellm and aiperf, as installed by ``make bench-peers`` and with their defaults, request the same
streams from the truth server as our probe and a plain httpx loop, one after the other in the same
run. The benchmark compares each tool's results for each request with the server's log, matched by
request ID. As for our probe, it skips the first request of each stream, which opens the connection.
It then repeats the measurement under the disturbances of ``benchmarks.truth``. Needs Go. Tools that
aren't installed are skipped.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.peer_tools import PEERS, Peer, Run
from benchmarks.truth.clients import CLIENTS, Case
from benchmarks.truth.coverage import STREAMS as DISTURBED_STREAMS
from benchmarks.truth.coverage import Disturbed, measure_disturbed, print_coverage
from benchmarks.truth.disturbances import DISTURBANCES, Disturbance, undisturbed
from benchmarks.truth.errors import ERRORS, Measured, Pair, quantiles_ms
from benchmarks.truth.measuring import SCRIPTS
from benchmarks.truth.measuring import measure as measure_client
from benchmarks.truth.run import print_uncertainty
from benchmarks.truth.served import Sends, Truth, truth_server

STREAMS = (1, 64, 256)
SECONDS = 10.0
CONDITION = "quiet"
"""The tools' processes do nothing else, so ours must not either."""
_STARTUP_SECONDS = 240
"""guidellm imports itself in up to ten processes, aiperf starts about as many."""
_PATIENCE = 8
"""The maximum duration of a tool relative to its run. Under some disturbances, a tool gets only a
fifth of the CPU time."""
_LOOK_SECONDS = 0.2
_LOCAL = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


class ToolFailed(Exception):
    """A tool failed or didn't end."""


def run_tool(peer: Peer, run: Run, truth: Truth, disturbing: Disturbance) -> None:
    """Run a tool; if it takes too long, end it and all its processes.

    The disturbance starts after the tool's first answer.

    :raises ToolFailed: the tool took too long or failed.
    """
    limit = _STARTUP_SECONDS + _PATIENCE * run.all_seconds
    log = run.folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            ["timeout", "--kill-after=5", str(limit), *peer.command(run)],
            cwd=run.folder,
            env={**os.environ, **_LOCAL},
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as tool,
    ):
        while tool.poll() is None and not truth.was_asked:
            time.sleep(_LOOK_SECONDS)
        if tool.poll() is None:
            with disturbing(tool.pid):
                tool.wait()
    if tool.returncode:
        said = log.read_text(errors="replace")[-4000:]
        raise ToolFailed(f"{peer.name} failed with exit code {tool.returncode}:\n{said}")


def measure_peer(
    truth: Truth,
    peer: Peer,
    model: str,
    streams: int,
    seconds: float,
    disturbing: Disturbance = undisturbed,
) -> list[Pair]:
    """Measure one tool; return its requests next to what the server did."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(truth.url, model, streams, seconds, Path(folder))
        run_tool(peer, run, truth, disturbing)
        seen = list(peer.read(run.folder))
    sends = truth.sends()
    tokens = int(model.rpartition("-")[2])
    pairs = [Pair(one, _as_defined_by(peer, sends[one.request_id]), tokens) for one in seen]
    pairs.sort(key=lambda pair: pair.sends.received_ns)
    return pairs[streams:]


def _as_defined_by(peer: Peer, sends: Sends) -> Sends:
    return replace(sends, end_ns=sends.last_token_ns) if peer.ends_with_last_token else sends


def measure(truth: Truth, peers: Sequence[Peer], streams: int, seconds: float) -> Measured:
    """Measure all clients and tools in turn."""
    measured: Measured = {}
    model = SCRIPTS[streams]
    for client in CLIENTS:
        print(f"{client}, {streams} streams", file=sys.stderr)
        case = Case(client, model, streams, seconds, CONDITION)
        measured[streams, CONDITION, client] = measure_client(truth, case)
    for peer in peers:
        print(f"{peer.name}, {streams} streams", file=sys.stderr)
        measured[streams, CONDITION, peer.name] = measure_peer(truth, peer, model, streams, seconds)
    return measured


def measure_disturbed_peers(
    truth: Truth, peers: Sequence[Peer], disturbances: Iterable[str], seconds: float
) -> Disturbed:
    """Measure all tools under disturbances. A tool that fails has no requests."""
    measured = measure_disturbed(truth, disturbances, seconds)
    for name, peer in itertools.product(disturbances, peers):
        print(f"{peer.name}, {name}", file=sys.stderr)
        try:
            measured[name, peer.name] = measure_peer(
                truth, peer, SCRIPTS[16], DISTURBED_STREAMS, seconds, DISTURBANCES[name]
            )
        except ToolFailed as failure:
            print(failure, file=sys.stderr)
            truth.sends()
    return dict(sorted(measured.items(), key=lambda item: list(disturbances).index(item[0][0])))


def print_errors(measured: Measured) -> None:
    for title, error in ERRORS.items():
        print(f"\n{title}: error, ms\n")
        print("| streams | client | requests | p50 | p99 | max | p99 / ours |")
        print("|--:|---|--:|--:|--:|--:|--:|")
        ours_p99 = 0.0
        for (streams, _, client), pairs in measured.items():
            errors = [found for pair in pairs if (found := error(pair)) is not None]
            p50, p99, largest = quantiles_ms(errors)
            if client == "ours":
                ours_p99 = p99
            print(f"| {streams} | {client} | {len(errors)} | {p50:.3f} | {p99:.3f} "
                  f"| {largest:.3f} | {p99 / ours_p99:.1f} |")  # fmt: skip


def installed_peers() -> list[Peer]:
    """Return the installed tools, and report the missing ones."""
    for peer in PEERS:
        if not peer.installed:
            print(f"{peer.name} is not installed and left out; `make bench-peers` installs it",
                  file=sys.stderr)  # fmt: skip
    return [peer for peer in PEERS if peer.installed]


def version(peer: Peer) -> str:
    code = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    command = [str(peer.python), "-c", code, peer.name]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def print_machine(peers: Iterable[Peer], started: float) -> None:
    versions = "".join(f", {peer.name} {version(peer)}" for peer in peers)
    load = " ".join(f"{average:.2f}" for average in os.getloadavg())
    print(f"\n{os.cpu_count()} cores, Python {platform.python_version()}{versions}, "
          f"{time.monotonic() - started:.0f} s, load {load} at the end")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.truth.peers", description=__doc__)
    parser.add_argument("--streams", type=int, nargs="*", choices=SCRIPTS, default=STREAMS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement")
    parser.add_argument(
        "--disturbed",
        nargs="*",
        choices=DISTURBANCES,
        default=[*DISTURBANCES],
        help="what keeps them from running after that, three times as long",
    )
    options = parser.parse_args()
    peers = installed_peers()
    started = time.monotonic()
    measured: Measured = {}
    with truth_server() as url:
        truth = Truth(url)
        for streams in options.streams:
            measured |= measure(truth, peers, streams, options.seconds)
        disturbed = measure_disturbed_peers(truth, peers, options.disturbed, 3 * options.seconds)
    if measured:
        print_errors(measured)
        print_uncertainty(measured)
    print_coverage(disturbed)
    print_machine(peers, started)


if __name__ == "__main__":
    main()
