"""The commands: their output and exit codes. 0 is success, 1 a failure, 2 wrong usage."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from exporter import __version__
from exporter.cli import main
from exporter.commands import COMMANDS
from exporter.simulator import Script, Simulator, run_in_thread
from tests.process import cli, exporter

pytestmark = pytest.mark.usefixtures("restored_logging")

KEY = "sk-of-the-simulator"
MINIMAL = "targets: [{name: a, provider: openai, model: m}]\n"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(MINIMAL)
    return path


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    """Run a simulated model ``m`` that requires a key, and yield its base URL."""
    script = Script(first_token_seconds=0.01, token_gap_seconds=0.001)
    with run_in_thread(Simulator({"m": script}, api_key=KEY)) as running:
        yield f"{running.url}/v1"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMULATOR_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "100")


def probe(simulator: str, *more: str, model: str = "m", key: str = "SIMULATOR_KEY") -> Result:
    arguments = ("--provider", "openai", "--model", model, "--base-url", simulator)
    return run("probe", *arguments, "--api-key-env", key, *more)


def test_the_version_and_the_help_are_told() -> None:
    assert run("--version").stdout.strip().endswith(__version__)
    commands = run("--help").stdout
    assert all(name in commands for name in ("run", "demo", "probe", "simulate", "check-config"))


def test_every_command_is_listed_with_what_it_does() -> None:
    listed = run("--help").stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split(maxsplit=1)[0] for line in listed if line[2] != " "] == sorted(COMMANDS)
    assert not [line for line in listed if line.endswith("...")], "cut off"
    assert "  run            Probe all configured targets, and serve the metrics." in listed


LEFT_OUT = (
    "exporter.commands.check_report", "exporter.compare", "exporter.demo", "exporter.simulator",
    "exporter.commands.terminal", "bcrypt", "jinja2", "tabulate",
)  # fmt: skip


def test_run_imports_nothing_that_others_need() -> None:
    done = cli("run", "--config", "no-such-file.yaml", PYTHONPROFILEIMPORTTIME="1")
    imported = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines()]
    assert "exporter.app" in imported
    assert [name for name in imported if name.startswith(LEFT_OUT)] == []


def test_check_config_prints_what_will_be_done(config: Path) -> None:
    done = run("check-config", config)
    assert done.exit_code == 0
    assert "1,440" in done.stdout
    assert done.stderr == ""


def test_check_config_tells_every_mistake_and_fails(config: Path) -> None:
    config.write_text("targets: [{nme: a, provider: opnai, model: m}]\n")
    done = run("check-config", config)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"{config}:1: targets[0].name: is missing; add it",
        f"{config}:1: targets[0].provider: unknown provider 'opnai'; did you mean 'openai'?",
        f"{config}:1: targets[0].nme: unknown key; did you mean 'name'?",
    ]


@pytest.mark.parametrize("command", [("check-config",), ("run", "--config")])
def test_a_missing_file_is_reported_plainly(command: Sequence[str]) -> None:
    done = run(*command, "no-such-file.yaml")
    assert done.exit_code == 1
    assert done.stderr == "no-such-file.yaml: there is no such file; check the path\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="it is a device of Linux")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_reported_plainly(unbuffered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [*exporter("config-schema")], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert ran.returncode == 1
    assert ran.stderr == b"the output cannot be written: No space left on device\n"


def test_config_schema_prints_json() -> None:
    done = run("config-schema")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["title"] == "Config"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check-config"], "Missing argument 'FILE'"),
        (["run"], "Missing option '--config'"),
        (["prob"], "No such command 'prob'. Did you mean 'probe'?"),
        (["probe"], "give either --config and --target, or --provider and --model"),
        (["probe", "--provider", "openai"], "--model is missing"),
        (["probe", "--provider", "opnai", "--model", "m"], "'opnai' is not one of"),
        (["probe", "--config", "CONFIG"], "--target is missing; the configuration has a"),
        (
            ["probe", "--config", "CONFIG", "--target", "b"],
            "no target is named 'b'; the configuration has a",
        ),
        (["probe", "--config", "CONFIG", "--provider", "openai"], "give either --config"),
        (["probe", "--config", "CONFIG", "--target", "a", "-n", "0"], "Invalid value for '-n'"),
        (
            ["probe", "--config", "CONFIG", "--target", "a", "--base-url", "http://x"],
            "--base-url has no effect with --config; remove it",
        ),
        (
            ["probe", "--config", "CONFIG", "--fail-on", "slo", "--timeout", "30s"],
            "--timeout has no effect with --config; remove it",
        ),
        (
            ["probe", "OPENAI", "--since", "1d"],
            "--since has no effect without --prometheus; add --prometheus, or remove --since",
        ),
        (
            ["probe", "OPENAI", "--target", "a"],
            "--target has no effect with --provider; remove it",
        ),
        (
            ["probe", "--config", "CONFIG", "--target", "a", "--prometheus", "http://x"],
            "--fail-on usual and --prometheus need each other",
        ),
        (["probe", "OPENAI", "--timeout", "soon"], "--timeout: 'soon' is not a duration"),
        (["probe", "OPENAI", "--timeout", "0s"], "--timeout: must be greater than 0"),
        (["probe", "OPENAI", "--base-url", "x"], "--base-url: must be an http://"),
        (["probe", "OPENAI", "--prompt", ""], "--prompt: must not be empty"),
        (["probe", "OPENAI", "--max-output-tokens", "0"], "--max-output-tokens: must be greater"),
        (["probe", "OPENAI", "--api-key-env", "sk-1"], "--api-key-env: must be the name of an"),
        (["probe", "OPENAI", "--region", "moon"], "--region: there is no region 'moon'"),
        (["probe", "OPENAI", "--api-version", "1"], "--api-version: this provider has no API"),
        (["probe", "OPENAI", "--preset", "grok"], "unknown preset 'grok'; did you mean 'groq'?"),
        (["probe", "OPENAI", "--preset", "vllm"], "base_url must be set for preset 'vllm'"),
        (
            ["probe", "--provider", "bedrock", "--model", "m", "--preset", "groq"],
            "--preset: works only with provider 'openai'",
        ),
    ],
)
def test_wrong_usage_is_explained(arguments: list[str], message: str, config: Path) -> None:
    words: list[str] = []
    for argument in arguments:
        if argument == "OPENAI":
            words += ["--provider", "openai", "--model", "m"]
        else:
            words.append(str(config) if argument == "CONFIG" else argument)
    done = run(*words)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_probe_shows_each_result_and_a_summary(simulator: str) -> None:
    done = probe(simulator, "-n", "3")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == f"m: m at {simulator}"
    assert [line.split()[:2] for line in lines if " ok " in line] == [
        [str(number), "ok"] for number in (1, 2, 3)
    ]
    assert "reused" in done.stdout
    assert "3 of 3 succeeded" in lines
    assert done.stdout.endswith("tokens/s\n")


def test_what_probe_shows_fits_a_narrow_terminal(simulator: str) -> None:
    arguments = ("probe", "--provider", "openai", "--base-url", simulator, "--model", "m")
    shown = run(*arguments, "-n", "2").stdout.splitlines()
    table = shown[2 : shown.index("", 2)]
    assert max(map(len, table)) == 80
    assert len({line.rstrip().rfind(" ") > 70 for line in table}) == 1, "columns are aligned"


def test_colours_tell_good_from_bad_unless_they_are_unwanted(
    simulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown() -> str:
        arguments = ["probe", "--provider", "openai", "--base-url", simulator, "--model", "m"]
        return CliRunner().invoke(main, arguments, color=True).stdout

    assert "\x1b[31mauth " in shown()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shown()


def test_probe_as_json_has_results_and_a_summary(simulator: str) -> None:
    done = probe(simulator, "-n", "2", "--json")
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert [result["success"] for result in document["results"]] == [True, True]
    assert document["results"][0]["usage"]["output"] == 20
    assert document["results"][0]["time_to_first_token_seconds"] > 0
    assert document["summary"]["successes"] == 2


def test_a_failed_probe_fails_the_command_and_says_why(simulator: str) -> None:
    done = probe(simulator, model="unknown")
    assert done.exit_code == 1
    assert "0 of 1 succeeded" in done.stdout
    assert "not_found: model_not_found: " in done.stdout


def test_a_key_is_never_shown_even_if_it_is_wrong(
    simulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_KEY", "sk-wrong-but-secret")
    for more in ([], ["--json"]):
        done = probe(simulator, *more, key="OTHER_KEY")
        assert done.exit_code == 1
        assert "auth" in done.stdout
        assert "sk-wrong-but-secret" not in done.output


def test_a_missing_key_is_named(simulator: str) -> None:
    done = probe(simulator, key="NO_SUCH_KEY")
    assert done.exit_code == 1
    assert "auth: environment variable NO_SUCH_KEY is not set" in done.stdout


def test_a_configured_target_is_asked_all_its_probes(simulator: str, config: Path) -> None:
    config.write_text(
        f"""
        probes:
          one: {{prompt: Count, expect: {{contains: "20"}}}}
          two: {{prompt: Count, expect: {{contains: "no such thing"}}}}
        targets:
          - name: a
            provider: openai
            model: m
            base_url: {simulator}
            api_key: {{env: SIMULATOR_KEY}}
        """
    )
    done = run("probe", "--config", config, "--target", "a", "--json")
    assert done.exit_code == 1
    results = json.loads(done.stdout)["results"]
    seen = [(r["probe"], r["failure"] and r["failure"]["reason"]) for r in results]
    assert seen == [("one", None), ("two", "wrong_answer")]


def test_probe_needs_a_sound_configuration(config: Path) -> None:
    config.write_text("targets: 7\n")
    done = run("probe", "--config", config, "--target", "a")
    assert done.exit_code == 1
    assert done.stderr == f"{config}:1: targets: must be a list\n"


@pytest.mark.parametrize("command", ["demo", "simulate"])
def test_an_invalid_address_is_wrong_usage(command: str) -> None:
    done = run(command, "--listen", "nowhere")
    assert done.exit_code == 2
    assert "'--listen': 'nowhere' is not HOST:PORT" in done.stderr


def test_an_address_in_use_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        for command in ("demo", "simulate"):
            done = run(command, "--listen", f"{host}:{port}")
            assert done.exit_code == 1
            assert str(port) in done.stderr


def test_help_needs_none_of_what_extras_install() -> None:
    script = (
        "import sys; sys.modules.update(numpy=None, scipy=None, botocore=None);"
        " sys.argv = ['inference-exporter', 'compare', '--help'];"
        " from exporter.cli import main; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=150
    )
    assert ran.returncode == 0, ran.stderr
    assert "--baseline" in ran.stdout


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        (("demo", "--listen"), "; choose another address with --listen"),
        (("simulate", "--listen"), ""),
        (("run", "--config"), "; choose another address with web.listen"),
    ],
)
def test_an_address_in_use_comes_with_what_to_change(
    tmp_path: Path, command: tuple[str, str], advice: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config = tmp_path / "config.yaml"
        config.write_text(f"web: {{listen: '{address}'}}\n{MINIMAL}")
        done = cli(*command, config if command[0] == "run" else address)
    assert done.returncode == 1
    told = f"cannot listen on {address}: Address already in use{advice}"
    assert done.stderr.splitlines()[-1] == told
