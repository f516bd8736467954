"""Compares ``compare --concurrency`` with what the simulator really did:
``python -m benchmarks.compare_load``.

The simulator records the time of every write. Its throughput covers the time in which all streams
were busy, and its time to first token starts when a request has arrived.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from exporter.simulator import Script, Served, Simulator, run_in_thread

MODELS = {
    "own": Script(first_token_seconds=0.15, token_gap_seconds=0.012, jitter=0.3, answer_tokens=40),
    "hosted": Script(
        first_token_seconds=0.3, token_gap_seconds=0.006, jitter=0.3, answer_tokens=40
    ),
}


def compared(simulator: Simulator, levels: str, folder: Path) -> Any:
    sides = [
        f"name={model},provider=openai,model={model},base_url={simulator.url}/v1"
        for model in MODELS
    ]
    command = [sys.executable, "-m", "exporter", "compare", "--length", "100"]
    command += ["--baseline", sides[0], "--candidate", sides[1], "--concurrency", levels]
    command += ["--samples", str(folder / "samples.jsonl"), "--json", "-"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)["load"]["levels"]


def truth(served: Sequence[Served], streams: int) -> Mapping[str, float]:
    """Return the true values of one target at one level with two turns."""
    first = [(s.outputs[0].monotonic_ns - s.received_ns) / 1e9 for s in served]
    gaps = [
        (s.outputs[-1].monotonic_ns - s.outputs[0].monotonic_ns) / 1e9 / (s.tokens - 1)
        for s in served
    ]
    tokens = busy = 0.0
    half = len(served) // 2
    for turn in (served[:half], served[half:]):
        end = max(s.received_ns for s in turn)
        for s in turn:
            within = min(s.ended_ns, end) - s.received_ns
            busy += within / 1e9
            tokens += s.tokens * within / (s.ended_ns - s.received_ns)
    return {
        "ttft_p50": float(np.quantile(first, 0.5)),
        "ttft_p95": float(np.quantile(first, 0.95)),
        "tpot_p50": float(np.quantile(gaps, 0.5)),
        "tpot_p95": float(np.quantile(gaps, 0.95)),
        "tokens_per_second_in_all": streams * tokens / busy,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare_load")
    parser.add_argument("--levels", default="1,4,16")
    options = parser.parse_args()
    with run_in_thread(Simulator(MODELS)) as simulator, tempfile.TemporaryDirectory() as folder:
        levels = compared(simulator, options.levels, Path(folder))
        ledger = sorted(simulator.ledger, key=lambda served: served.received_ns)
    print("| streams | target | figure | compare | ledger | apart |")
    print("|--:|---|---|--:|--:|--:|")
    for level in levels:
        for side in level["targets"]:
            own = [served for served in ledger if served.model == side["name"]][: side["requests"]]
            ledger = [served for served in ledger if served not in own]
            for name, true in truth(own, level["streams"]).items():
                said = side[name]["value"]
                print(
                    f"| {level['streams']} | {side['name']} | {name} | {said:.4g} | {true:.4g}"
                    f" | {said / true - 1:+.1%} |"
                )


if __name__ == "__main__":
    main()
