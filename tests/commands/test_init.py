"""``init``: what it finds. The result passes check-config."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from exporter.cli import main
from exporter.commands import autodetect
from exporter.commands.autodetect import Suggestion
from exporter.commands.init import written
from exporter.config.loading.config_file import load
from exporter.simulator import Simulator, run_in_thread
from exporter.simulator.cast import MODELS


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Clear the environment, and hide all local servers."""
    for it in autodetect._HOSTED.values():  # noqa: SLF001
        for variable in it.variables:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(autodetect, "_PORTS", ())
    monkeypatch.setattr(autodetect, "_OLLAMA_PORT", 1)
    monkeypatch.chdir(tmp_path)


def test_the_keys_in_the_environment_become_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    for it in autodetect._HOSTED.values():  # noqa: SLF001
        monkeypatch.setenv(it.variables[-1], "sk-not-to-be-written")
    ran = CliRunner().invoke(main, ["init"])
    assert ran.exit_code == 0, ran.output
    text = Path("config.yaml").read_text()
    assert "sk-not-to-be-written" not in text + ran.output
    config = load(Path("config.yaml"))
    assert len(config.targets) == len(autodetect._HOSTED)  # noqa: SLF001
    assert all(target.api_key for target in config.targets)
    Path("config.yaml").write_text(text.replace("# price:", "price:").replace("# slo:", "slo:"))
    assert all(target.price and target.slo for target in load(Path("config.yaml")).targets)
    Path("config.yaml").write_text(text)
    assert CliRunner().invoke(main, ["check-config", "--strict", "config.yaml"]).exit_code == 0


def test_the_servers_on_this_host_become_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    with run_in_thread(Simulator({model.name: model.script for model in MODELS})) as simulator:
        port = int(simulator.url.rpartition(":")[2])
        monkeypatch.setattr(autodetect, "_PORTS", (port, 1))
        monkeypatch.setattr(autodetect, "_OLLAMA_PORT", port)
        ran = CliRunner().invoke(main, ["init", "-o", "mine.yaml"])
    assert ran.exit_code == 0, ran.output
    targets = load(Path("mine.yaml")).targets
    assert {target.provider for target in targets} >= {"openai"}
    assert {str(port) in target.endpoint for target in targets} == {True}
    assert f"one of {len(MODELS)} models there" in ran.output, "the reader knows of the others"
    assert ran.output.endswith("To start probing: inference-exporter run --config mine.yaml\n")


@contextmanager
def answering(document: object) -> Iterator[int]:
    """Serve this document as JSON, and yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def test_what_cannot_be_a_target_hides_no_other_model(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("", "x" * 201, None, "good", "\x1b[31mred")
    listed = [{"id": name, "owned_by": None} for name in names]
    tags = [{"name": name} for name in names]
    with answering({"data": listed, "models": tags}) as port:
        monkeypatch.setattr(autodetect, "_PORTS", (port,))
        monkeypatch.setattr(autodetect, "_OLLAMA_PORT", port)
        ran = CliRunner().invoke(main, ["init"])
    assert ran.exit_code == 0, ran.output
    models = [target.model for target in load(Path("config.yaml")).targets]
    assert models == ["good", "\x1b[31mred"] * 2
    assert "\x1b" not in ran.output, "a server doesn't control the terminal"


@pytest.mark.parametrize(
    "wanted", [("a", "a 2", "a"), ("a", "a", "a 2"), ("x" * 199 + "a", "x" * 199 + "ab", "x" * 200)]
)
def test_names_are_unique_and_short_enough(wanted: tuple[str, ...]) -> None:
    more = {"base_url": "http://127.0.0.1:1/v1"}
    found = [Suggestion(name, "openai", "m", "it is set", more) for name in wanted]
    Path("config.yaml").write_text(written(found, "config.yaml"))
    names = [target.name for target in load(Path("config.yaml")).targets]
    assert len(set(names)) == len(wanted)
    assert names[0] == wanted[0]


def test_without_anything_the_file_shows_what_a_target_looks_like() -> None:
    ran = CliRunner().invoke(main, ["init"])
    assert ran.exit_code == 1
    assert "found no API key in the environment and no model server on this host" in ran.output
    assert ran.stdout.endswith("Add a target to config.yaml; the file has an example.\n")
    assert load(Path("config.yaml")).targets == ()


def test_nothing_is_overwritten_without_force() -> None:
    Path("config.yaml").write_text("mine")
    ran = CliRunner().invoke(main, ["init"])
    assert ran.exit_code == 1
    assert "already exists; use --force to overwrite it" in ran.output
    assert Path("config.yaml").read_text() == "mine"
    CliRunner().invoke(main, ["init", "--force"])
    assert load(Path("config.yaml")).targets == ()
