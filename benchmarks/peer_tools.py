"""Runs other benchmarking tools as clients of the truth server, and reads their results.

Both tools keep a number of streams running, start them evenly over the first script, and record
every request. The server's log has the same request under the same ID: guidellm records the ID of
the response, and aiperf sends its own in ``X-Request-ID``, which the server adopts.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.truth.clients import PROMPT, Seen, script_seconds
from exporter.result import NANOSECONDS

ENVIRONMENTS = Path(os.environ.get("PEERS", Path(__file__).parents[1] / ".venv-peers"))
TORCH_FREE = Path(__file__).with_name("peers") / "torch_free.py"
_TOKENIZER = {
    "version": "1.0",
    "added_tokens": [],
    "pre_tokenizer": {"type": "Whitespace"},
    "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
}
_TOKENIZER_CONFIG = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}


@dataclass(frozen=True, slots=True)
class Run:
    """The parameters of a run, and an empty folder for its input and output."""

    url: str
    model: str
    streams: int
    seconds: float
    folder: Path

    @property
    def ramp_seconds(self) -> float:
        return script_seconds(self.model)

    @property
    def all_seconds(self) -> float:
        """The duration of our own clients: the ramp, each stream's first request, and the rest."""
        return 2 * self.ramp_seconds + self.seconds

    def write_prompts(self, field: str) -> Path:
        """Write a JSON Lines file with more prompts than a run can send."""
        rounds = math.ceil(self.all_seconds / script_seconds(self.model)) + 1
        file = self.folder / "prompts.jsonl"
        file.write_text(f"{json.dumps({field: PROMPT})}\n" * (self.streams * rounds))
        return file


@dataclass(frozen=True, slots=True)
class Peer:
    """One tool, as ``make bench-peers`` installs it."""

    name: str
    command: Callable[[Run], list[str]]
    read: Callable[[Path], Iterator[Seen]]
    """Reads the tool's results for each request from its output folder."""
    ends_with_last_token: bool
    """Whether its duration ends with the last token instead of with the stream."""

    @property
    def python(self) -> Path:
        return ENVIRONMENTS / self.name / "bin" / "python"

    @property
    def installed(self) -> bool:
        return self.python.with_name(self.name).exists()


def guidellm_command(run: Run) -> list[str]:
    backend = f"kind=openai_http,target={run.url},model={run.model},validate_backend=false"
    profile = f"kind=concurrent,streams={run.streams},rampup_duration={run.ramp_seconds}"
    return [
        *(str(GUIDELLM.python), str(TORCH_FREE), "run"),
        *("--backend", backend),
        *("--profile", profile),
        *("--constraint", f"kind=max_duration,seconds={run.all_seconds}"),
        *("--data", f"kind=json_file,path={run.write_prompts('prompt')}"),
        *("--output", f"kind=json,path={run.folder / 'guidellm.json'}"),
        "--disable-console",
    ]


def read_guidellm(folder: Path) -> Iterator[Seen]:
    """Read guidellm's results.

    Its TTFT starts when httpcore begins to write the request, and its latency ends with the
    response. Its inter-token latency is our time per output token.
    """
    report = json.loads((folder / "guidellm.json").read_text())
    for request in report["benchmarks"][0]["requests"]["successful"]:
        per_token_ms = request["inter_token_latency_ms"]
        yield Seen(
            request_id=request["response_id"],
            first_token_ns=int(request["info"]["timings"]["first_token_iteration"] * NANOSECONDS),
            time_to_first_token_seconds=request["time_to_first_token_ms"] / 1000,
            time_per_output_token_seconds=per_token_ms / 1000 if per_token_ms else None,
            request_duration_seconds=request["request_latency"],
            uncertainty_seconds=None,
        )


def aiperf_command(run: Run) -> list[str]:
    """Return the command line. aiperf needs a tokenizer to start, although the server counts."""
    tokenizer = run.folder / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "tokenizer.json").write_text(json.dumps(_TOKENIZER))
    (tokenizer / "tokenizer_config.json").write_text(json.dumps(_TOKENIZER_CONFIG))
    return [
        *(str(AIPERF.python.with_name("aiperf")), "profile"),
        *("--url", run.url, "--model", run.model),
        *("--endpoint-type", "chat", "--streaming"),
        *("--tokenizer", str(tokenizer), "--use-server-token-count"),
        *("--input-file", str(run.write_prompts("text")), "--custom-dataset-type", "single_turn"),
        *("--concurrency", str(run.streams)),
        *("--concurrency-ramp-duration", str(run.ramp_seconds)),
        *("--benchmark-duration", str(run.all_seconds)),
        *("--artifact-dir", str(run.folder), "--ui", "none"),
        *("--no-gpu-telemetry", "--no-server-metrics"),
    ]


def read_aiperf(folder: Path) -> Iterator[Seen]:
    """Read aiperf's results.

    Its TTFT starts when aiohttp gets the request, and its latency ends with the last token. Its
    inter-token latency is our time per output token.
    """
    for line in (folder / "profile_export.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record.get("error"):
            continue
        metadata, metrics = record["metadata"], record["metrics"]
        first_seconds = metrics["time_to_first_token"]["value"] / 1000
        per_token_ms = metrics["inter_token_latency"]["value"]
        yield Seen(
            request_id=metadata["x_request_id"],
            first_token_ns=metadata["request_start_ns"] + int(first_seconds * NANOSECONDS),
            time_to_first_token_seconds=first_seconds,
            time_per_output_token_seconds=per_token_ms / 1000 if per_token_ms else None,
            request_duration_seconds=metrics["request_latency"]["value"] / 1000,
            uncertainty_seconds=None,
        )


GUIDELLM = Peer("guidellm", guidellm_command, read_guidellm, ends_with_last_token=False)
AIPERF = Peer("aiperf", aiperf_command, read_aiperf, ends_with_last_token=True)
PEERS = (GUIDELLM, AIPERF)
