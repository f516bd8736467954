"""``compare`` on two independent servers finds the obvious difference."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.real.servers import API_KEY, MODEL, Installation, Server

PROBES = 80


def compare(folder: Path, baseline: Server, candidate: Server) -> Mapping[str, Any]:
    """Return the results of a live comparison, by measure.

    Connections aren't reused, because this server closes connections that it promises to keep.
    """
    sides = [
        f"name={name},provider=openai,model={MODEL},base_url={server.base_url},api_key_env=KEY,"
        "connection=fresh"
        for name, server in (("baseline", baseline), ("candidate", candidate))
    ]
    prompts = folder / "prompts.jsonl"
    prompts.write_text('{"prompt": "Talk of whatever comes to your mind."}\n')
    command = [sys.executable, "-m", "exporter", "compare"]
    command += ["--baseline", sides[0], "--candidate", sides[1], "-n", str(PROBES)]
    command += ["--prompts-file", str(prompts), "--max-output-tokens", "48"]
    command += ["--samples", str(folder / "samples.jsonl"), "--json", "-"]
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "KEY": API_KEY}
    run = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
    [versus] = json.loads(run.stdout)["candidates"]
    return {finding["measure"]: finding for finding in versus["findings"]}


def test_a_server_with_far_more_threads_than_cores_is_worse(
    llama_server: Server, installation: Installation, tmp_path: Path
) -> None:
    """Its threads wait for each other in every layer, and most of them have no core."""
    too_many = str(8 * (os.cpu_count() or 1))
    with installation.llama_server(None, "--threads", too_many) as crowded:
        crowded.wait_until_ready("/health")
        findings = compare(tmp_path, llama_server, crowded)

    assert findings["tpot_p50"]["verdict"] == "worse"
    assert findings["duration_p50"]["verdict"] == "worse"
    assert findings["tokens_per_second"]["verdict"] == "worse"
    assert findings["tpot_p50"]["low"] > 1.1
    assert findings["success"]["candidate"] == 1


def test_two_servers_alike_are_not_told_apart(
    llama_server: Server, installation: Installation, tmp_path: Path
) -> None:
    with installation.llama_server() as twin:
        twin.wait_until_ready("/health")
        findings = compare(tmp_path, llama_server, twin)

    assert {finding["verdict"] for finding in findings.values()} <= {
        "same",
        "not enough data",
        "not measured",
    }
