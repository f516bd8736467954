"""A real Prometheus that scrapes one exporter."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.process import eventually, free_port, process

_CONFIG = """
global: {{scrape_interval: 500ms}}
scrape_configs:
  - job_name: inference
    static_configs: [{{targets: ["{address}"]}}]
"""


@dataclass(frozen=True, slots=True)
class Prometheus:
    url: str
    exporter_url: str

    def query(self, expression: str) -> list[float]:
        """Return the values of an instant query."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression})
        answer.raise_for_status()  # while it starts, it returns 503
        data = json.loads(answer.text)
        assert data["status"] == "success", data
        return [float(series["value"][1]) for series in data["data"]["result"]]

    def answer(self, expression: str) -> list[float]:
        """Return the values of an instant query as soon as there are any: after a scrape of a late
        exporter failed, there are none."""
        return eventually(lambda: self.query(expression))


@contextmanager
def running_prometheus(
    program: Path, folder: Path, exporter_url: str, **scrape_options: str
) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes twice a second, until the block ends.

    :param folder: a folder for its files.
    :param scrape_options: more lines of its scrape configuration.
    """
    port = free_port()
    options = "".join(f"    {name}: {value}\n" for name, value in scrape_options.items())
    config = _CONFIG.format(address=exporter_url.removeprefix("http://")) + options
    (folder / "prometheus.yml").write_text(config)
    command: list[str | Path] = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]
    with process(command, folder / "log"):
        server = Prometheus(f"http://127.0.0.1:{port}", exporter_url)
        eventually(lambda: server.query("vector(1)"))
        yield server


@contextmanager
def prometheus_with_past(
    tool: Callable[[str], Path], folder: Path, lines: Iterable[str]
) -> Iterator[Prometheus]:
    """Run a Prometheus with these samples that scrapes nothing, until the block ends.

    :param lines: samples in OpenMetrics format. The order of the families doesn't matter.
    """
    ordered = sorted(lines, key=lambda line: line.split("{")[0])  # keep families together
    (folder / "past.om").write_text("\n".join([*ordered, "# EOF\n"]))
    command: list[str | Path] = [tool("promtool"), "tsdb", "create-blocks-from", "openmetrics"]
    command += ["--quiet", "--max-block-duration", "11d", folder / "past.om", folder / "data"]
    subprocess.run(command, check=True)
    nobody = f"http://127.0.0.1:{free_port()}"
    with running_prometheus(tool("prometheus"), folder, nobody) as server:
        yield server
