"""A real Alertmanager with the example's routes, and a receiver for its notifications."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.process import free_port, process
from tests.queries import RULES


@dataclass(frozen=True, slots=True)
class Call:
    """One alert of a notification."""

    receiver: str
    status: str
    """``firing`` or ``resolved``."""
    labels: dict[str, str]
    annotations: dict[str, str]
    heard_at: float = field(default_factory=time.time)
    """Unix seconds."""


@dataclass(slots=True)
class OnCall:
    """All notifications from Alertmanager so far."""

    calls: list[Call] = field(default_factory=list)

    def heard(self, alert: str, status: str) -> list[Call]:
        return [
            call
            for call in self.calls
            if call.labels["alertname"] == alert and call.status == status
        ]


@contextmanager
def on_call() -> Iterator[tuple[OnCall, str]]:
    """Run a webhook that records notifications, and yield it with its URL."""
    person = OnCall()

    class Telephone(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["content-length"]))
            message: dict[str, Any] = json.loads(text)
            for alert in message["alerts"]:
                call = message["receiver"], alert["status"], alert["labels"], alert["annotations"]
                person.calls.append(Call(*call))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Don't log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Telephone)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield person, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def alertmanager(
    program: Path, folder: Path, url: str, config: dict[str, Any] | None = None
) -> Iterator[int]:
    """Run an Alertmanager that notifies ``url``, and yield its port.

    By default it uses the example's routes, with shorter waiting times.
    """
    port = free_port()
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump(config or _at_once(url)))
    command: list[str | Path] = [
        program,
        f"--config.file={path}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with process(command, folder / "alertmanager.log"):
        yield port


def _at_once(url: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((RULES / "alertmanager.yml").read_text())
    for route in (config["route"], *config["route"]["routes"]):
        route |= {"group_wait": "1s", "group_interval": "1s"}
    config["receivers"] = [
        {"name": name, "webhook_configs": [{"url": f"{url}/{name}"}]}
        for name in [receiver["name"] for receiver in config["receivers"]]
    ]
    return config
