"""An example of `compare`: is a hosted Qwen endpoint, or vLLM on Azure, better than our vLLM on EC2
for our own prompts?

All three services are simulated with realistic times, so a run takes a quarter of an hour, or a few
minutes with `--concurrency 1,4,16`. It writes the report in docs/compare.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from exporter.simulator import Script, Simulator, run_in_thread
from exporter.simulator.faults import ErrorResponse
from exporter.simulator.script import Boot, Sign
from exporter.simulator.steps import Error, ErrorKind

PROMPTS = Path(__file__).parents[1] / "docs" / "example-prompts.jsonl"
_BUSY = ErrorResponse(Error(ErrorKind.OVERLOADED, "The engine is overloaded."))

SCRIPTS = {
    "qwen3-32b": Script(
        first_token_seconds=0.16, token_gap_seconds=0.0085, jitter=0.3, answer_tokens=40, slots=8
    ),
    "qwen-plus": Script(
        first_token_seconds=0.22,
        token_gap_seconds=0.006,
        jitter=0.3,
        answer_tokens=40,
        fault=_BUSY,
        fault_ratio=0.05,
        boot=Boot(seconds=2.5, idle_seconds=18, sign=Sign.HELD),
    ),
    "qwen3-32b-azure": Script(
        first_token_seconds=0.17, token_gap_seconds=0.011, jitter=0.3, answer_tokens=40, slots=10
    ),
}
SIDES: tuple[tuple[str, str, dict[str, float]], ...] = (
    ("vllm-on-ec2", "qwen3-32b", {"usd_per_hour": 1.2}),
    ("qwen-hosted", "qwen-plus", {"input": 0.40, "output": 1.20}),
    ("vllm-on-azure", "qwen3-32b-azure", {"usd_per_hour": 1.4}),
)
UNCERTAINTY = "20ms"
"""The limit is high because the simulator shares this machine with the exporter."""


def write_config(path: Path, url: str, uncertainty: str) -> None:
    targets = [
        {
            "name": name,
            "provider": "openai",
            "model": model,
            "base_url": f"{url}/v1",
            "price": price,
        }
        for name, model, price in SIDES
    ]
    defaults = {"max_uncertainty": uncertainty}
    path.write_text(json.dumps({"defaults": defaults, "targets": targets}))  # JSON is YAML


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare_example")
    parser.add_argument("--html", required=True, help="where to write the report")
    parser.add_argument("--samples", required=True, help="where to keep the samples")
    parser.add_argument("-n", help="probes of each side (300), or of each side at each level")
    parser.add_argument("--concurrency", help="streams at once, level by level, such as 1,4,16")
    parser.add_argument(
        "--max-uncertainty",
        default=UNCERTAINTY,
        help="of times that are kept; more than the default only on a busy machine",
    )
    options = parser.parse_args()
    scripts = SCRIPTS
    if options.concurrency:  # no model is left alone for long enough to grow cold
        scripts = {name: replace(script, boot=None) for name, script in SCRIPTS.items()}
    with run_in_thread(Simulator(scripts)) as simulator, TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        write_config(config, simulator.url, options.max_uncertainty)
        (baseline, *_), *candidates = SIDES
        command = [sys.executable, "-m", "exporter", "compare", "--config", str(config)]
        command += ["--baseline", baseline]
        for candidate, *_ in candidates:
            command += ["--candidate", candidate]
        command += ["--prompts-file", str(PROMPTS), "--html", options.html]
        command += ["--requests-per-day", "50000"]
        if options.concurrency:
            command += ["--concurrency", options.concurrency, "--slo", "ttft_p95=450ms"]
            command += ["-n", options.n] if options.n else []
        else:
            command += ["-n", options.n or "300", "--cold-idle", "20s", "--cold-rounds", "6"]
        subprocess.run([*command, "--samples", options.samples], check=True)


if __name__ == "__main__":
    main()
