"""Compares ``compare --concurrency`` with guidellm on the same real server at the same levels:
``make -C benchmarks/peers compare-load``.

The server is llama.cpp's own, with a small model of random weights that never ends an answer by
itself. Both tools send the same prompts, each with a fresh nonce, and request the same number of
tokens. guidellm runs before and after ``compare``. On a busy machine, the server isn't equally fast
for both, so the benchmark also reads the server's log, which has the duration of prompt and answer
for each request. *Apart* is the difference between the two tools. *By the log* is that difference
after dividing each result by the log's result for the same requests.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from statistics import fmean
from typing import Any

import httpx
import numpy as np

from benchmarks.peer_tools import ENVIRONMENTS, GUIDELLM, TORCH_FREE
from exporter.settings.prompts import NONCE_BYTES, with_nonce

ROOT = Path(__file__).parents[1]
MODEL, WIDTH, TOKENS = "tiny", "512", 64
PROMPTS = [f"Tell me about {what}, at length, please." for what in ("sun", "sea", "ice", "sky")]
REQUESTS = {1: 80, 4: 160, 16: 320}
"""The number of requests in each run, by level."""
FIGURES = ("ttft_p50", "ttft_p95", "tpot_p50", "tpot_p95", "tokens_per_second_in_all")
_SIDES = "first", "second"
_READY_SECONDS, _RUN_SECONDS = 60.0, 900.0
_LOCAL = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}

_TIMING = re.compile(
    r"prompt eval time =\s+([\d.]+) ms [^\n]*\n[^\n]*? eval time =\s+([\d.]+) ms /\s+(\d+) tokens"
)

Figures = Mapping[str, float]


class Log:
    """The server's log of its requests."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = 0

    def since(self, streams: int) -> Figures:
        """Return the figures of the requests that ended since the last call."""
        found = np.array(_TIMING.findall(self._path.read_text()), float)[self._known :]
        self._known += len(found)
        prompt, answer, tokens = found[:, 0] / 1e3, found[:, 1] / 1e3, found[:, 2]
        per_token = answer / (tokens - 1)
        return {
            "ttft_p50": float(np.quantile(prompt, 0.5)),
            "ttft_p95": float(np.quantile(prompt, 0.95)),
            "tpot_p50": float(np.quantile(per_token, 0.5)),
            "tpot_p95": float(np.quantile(per_token, 0.95)),
            "tokens_per_second_in_all": streams * float(tokens.sum() / (prompt + answer).sum()),
        }


@contextmanager
def serving(folder: Path, streams: int) -> Iterator[tuple[str, Log]]:
    """Run the server for the time of the block; yield its URL and its log."""
    python = str(ENVIRONMENTS / "llamacpp" / "bin" / "python")
    model = str(folder / "model.gguf")
    subprocess.run(
        [python, str(ROOT / "tests/real/make_gguf.py"), "--width", WIDTH, model], check=True
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [python, str(ROOT / "benchmarks/peers/llama_server.py"), model, port, str(streams)]
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log) as server,
    ):
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}", server)
            yield f"http://127.0.0.1:{port}", Log(folder / "server.log")
        finally:
            server.terminate()


def _wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    sys.exit("the server is not ready; see `make -C benchmarks/peers install`")


def ours(url: str, streams: int, count: int, folder: Path) -> Figures:
    """Run ``compare`` with the same server on both sides; return the mean of the sides.

    Each side sends as many requests as a run of guidellm. Connections are fresh, because this
    server closes each one.
    """
    sides = [
        f"name={name},provider=openai,model={MODEL},base_url={url}/v1,connection=fresh"
        for name in _SIDES
    ]
    prompts = folder / "ours.jsonl"
    prompts.write_text("".join(f"{json.dumps({'prompt': text})}\n" for text in PROMPTS))
    command = [sys.executable, "-m", "exporter", "compare"]
    command += ["--baseline", sides[0], "--candidate", sides[1], "--prompts-file", str(prompts)]
    command += ["--max-output-tokens", str(TOKENS), "--concurrency", str(streams), "-n", str(count)]
    command += ["--samples", str(folder / f"samples-{streams}.jsonl"), "--json", "-"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, check=True, env=_LOCAL, timeout=_RUN_SECONDS
    )
    [level] = json.loads(done.stdout)["load"]["levels"]
    return _mean([{name: side[name]["value"] for name in FIGURES} for side in level["targets"]])


def theirs(url: str, streams: int, count: int, folder: Path) -> Figures:
    """Run guidellm; return its figures.

    It sends requests until enough of them are answered, so that no stream runs dry and lowers the
    throughput.
    """
    prompts, report = folder / "theirs.jsonl", folder / "guidellm.json"
    with prompts.open("w") as lines:
        for text in islice(cycle(PROMPTS), 2 * count + streams):
            prompt = with_nonce(text, secrets.token_hex(NONCE_BYTES))
            lines.write(f"{json.dumps({'prompt': prompt, 'output_tokens_count': TOKENS})}\n")
    command = [str(GUIDELLM.python), str(TORCH_FREE), "run", "--disable-console"]
    command += ["--backend", f"kind=openai_http,target={url},model={MODEL},validate_backend=false"]
    command += ["--profile", f"kind=concurrent,streams={streams}"]
    command += ["--constraint", f"kind=min_requests,count={count}"]
    command += ["--data", f"kind=json_file,path={prompts}"]
    command += ["--output", f"kind=json,path={report}"]
    subprocess.run(
        command, check=True, cwd=folder, env=_LOCAL, stdout=subprocess.PIPE, timeout=_RUN_SECONDS
    )
    return read(json.loads(report.read_text())["benchmarks"][0])


def read(benchmark: Any) -> Figures:
    first, per_token = (
        benchmark["metrics"][name]["successful"]["percentiles"]
        for name in ("time_to_first_token_ms", "inter_token_latency_ms")
    )
    return {
        "ttft_p50": first["p50"] / 1e3,
        "ttft_p95": first["p95"] / 1e3,
        "tpot_p50": per_token["p50"] / 1e3,
        "tpot_p95": per_token["p95"] / 1e3,
        "tokens_per_second_in_all": benchmark["metrics"]["output_tokens_per_second"]["successful"][
            "mean"
        ],
    }


def _mean(runs: Sequence[Figures]) -> Figures:
    return {name: fmean(one[name] for one in runs) for name in FIGURES}


def show(streams: int, compare: Sequence[Figures], guidellm: Sequence[Figures]) -> None:
    """Print the row of a level.

    :param compare: the results of ``compare``, and those of the log for its requests.
    """
    for name in FIGURES:
        (mine, my_log), (other, other_log) = (
            [one[name] for one in pair] for pair in (compare, guidellm)
        )
        cells = " | ".join(f"{value:.4g}" for value in (mine, my_log, other, other_log))
        by_the_log = mine / my_log / (other / other_log) - 1
        print(
            f"| {streams} | {name} | {cells} | {mine / other - 1:+.1%} | {by_the_log:+.1%} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare_guidellm")
    parser.add_argument("--levels", default="1,4,16")
    parser.add_argument("--scale", type=float, default=1.0, help="so many times the requests")
    options = parser.parse_args()
    levels = [int(level) for level in options.levels.split(",")]
    started = time.monotonic()
    print("| streams | figure | compare | log | guidellm | log | apart | by the log |")
    print("|--:|---|" + "--:|" * 6)
    with tempfile.TemporaryDirectory() as name, serving(Path(name), max(levels)) as (url, log):
        folder = Path(name)
        for streams in levels:
            count = max(streams, round(options.scale * REQUESTS.get(streams, 20 * streams)))
            said, logged = [], []
            for ask in (theirs, ours, theirs):
                said.append(ask(url, streams, count, folder))
                logged.append(log.since(streams))
            guidellm = _mean(said[::2]), _mean(logged[::2])
            show(streams, (said[1], logged[1]), guidellm)
    load = os.getloadavg()[1]
    print(f"\n{os.cpu_count()} cores, load {load:.1f}, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
