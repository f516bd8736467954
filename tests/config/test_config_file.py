"""The whole configuration: files and variables in, one ``Config`` or all mistakes out."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import structlog

from exporter.config.loading import config_file
from exporter.config.loading.config_file import (
    ConfigError,
    checked,
    fingerprint,
    load,
    watched_files,
)
from exporter.config.loading.schema import json_schema
from exporter.config.plan import Timeouts
from exporter.config.root import Config


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the configuration, which isn't the working directory."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return tmp_path


def written(folder: Path, text: str, name: str = "config.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


def loaded(folder: Path, text: str) -> Config:
    return load(written(folder, text))


def mistakes(folder: Path, text: str) -> list[str]:
    """Return the mistakes in the file, without its folder."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


MINIMAL = "targets: [{name: a, provider: openai, model: m}]\n"


def test_one_target_is_enough(folder: Path) -> None:
    config = loaded(folder, MINIMAL)
    (plan,) = config.plans()
    assert (plan.target.name, plan.probe_name) == ("a", "short")
    assert plan.target.endpoint == "https://api.openai.com/v1"
    assert plan.interval_seconds == 60
    assert plan.timeouts == Timeouts(total=30)
    assert not plan.fresh_connection
    assert config.web.host_and_port == ("0.0.0.0", 9850)


def test_a_target_overrides_the_defaults_which_override_our_own(folder: Path) -> None:
    config = loaded(
        folder,
        """
        defaults:
          interval: 2m
          timeout: 20s
          timeouts: {connect: 1s, stall: 2s}
          connection: fresh
        probes:
          first: {prompt: one}
          second: {prompt: two}
        targets:
          - {name: a, provider: openai, model: m}
          - name: b
            provider: openai
            model: m
            interval: 500ms
            timeout: 10s
            timeouts: {stall: 3s}
            connection: reuse
            probes: [second]
          - {name: c, provider: openai, model: m, probes: [first], timeouts: {total: 5s}}
        """,
    )
    seen = [
        (p.target.name, p.probe_name, p.interval_seconds, p.timeouts, p.fresh_connection)
        for p in config.plans()
    ]
    assert seen == [
        ("a", "first", 120, Timeouts(20, connect=1, stall=2), True),
        ("a", "second", 120, Timeouts(20, connect=1, stall=2), True),
        ("b", "second", 0.5, Timeouts(10, connect=1, stall=3), False),
        ("c", "first", 120, Timeouts(5, connect=1, stall=2), True),
    ]


def test_paths_are_relative_to_the_file_that_names_them(folder: Path) -> None:
    written(folder, '{"prompt": "hi"}\n', "sub/prompts.jsonl")
    written(folder, "sk-from-file\n", "targets.d/key")
    written(
        folder,
        "[{name: b, provider: openai, model: m, api_key: {file: key}}]",
        "targets.d/b.yml",
    )
    config = loaded(
        folder, "probes: {p: {prompts_file: sub/prompts.jsonl}}\ntarget_files: [targets.d/*.yml]\n"
    )
    assert config.probes["p"].texts == ("hi",)
    key = config.targets[0].api_key
    assert key is not None
    assert key.read() == "sk-from-file"


OVERRIDES: list[tuple[dict[str, str], str, object]] = [
    ({"DEFAULTS__INTERVAL": "15s"}, "defaults.interval", 15.0),
    ({"defaults__interval": "15s"}, "defaults.interval", 15.0),
    ({"DEFAULTS__TIMEOUTS__CONNECT": "2s"}, "defaults.timeouts.connect", 2.0),
    ({"DEFAULTS": '{"interval": "15s"}'}, "defaults.interval", 15.0),
    ({"DEFAULTS__INTERVAL": ""}, "defaults.interval", 600.0),
    ({"WEB__LISTEN": "[::1]:1234"}, "web.host_and_port", ("::1", 1234)),
    ({"WEB__ENABLE_LIFECYCLE": "true"}, "web.enable_lifecycle", True),
    ({"BUDGET__USD_PER_DAY": "5"}, "budget.usd_per_day", 5.0),
]


@pytest.mark.parametrize(("variables", "key", "value"), OVERRIDES)
def test_a_variable_overrides_the_file(
    variables: Mapping[str, str],
    key: str,
    value: object,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(f"INFERENCE_EXPORTER_{name}", text)
    found: object = loaded(folder, MINIMAL + "defaults: {interval: 10m, timeout: 7s}\n")
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value


def test_what_a_variable_does_not_name_stays_as_the_file_has_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERENCE_EXPORTER_DEFAULTS__INTERVAL", "15s")
    config = loaded(folder, MINIMAL + "defaults: {interval: 10m, timeout: 7s}\n")
    assert (config.defaults.interval, config.defaults.timeout) == (15, 7)


def test_targets_can_come_from_a_variable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "INFERENCE_EXPORTER_TARGETS", '[{"name": "b", "provider": "openai", "model": "m"}]'
    )
    assert [target.name for target in loaded(folder, MINIMAL).targets] == ["b"]


def test_what_kubernetes_sets_for_a_service_of_our_name_is_no_mistake(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "SERVICE_HOST": "10.0.0.1",
        "SERVICE_PORT": "9850",
        "SERVICE_PORT_HTTP": "9850",
        "PORT": "tcp://10.0.0.1:9850",
        "PORT_9850_TCP_ADDR": "10.0.0.1",
    }.items():
        monkeypatch.setenv(f"INFERENCE_EXPORTER_{name}", value)
    assert len(loaded(folder, MINIMAL).targets) == 1


ONE = "name: a, provider: openai, model: m"
DURATION = "is not a duration such as 500ms, 30s, 5m or 1h30m"

MISTAKES: list[tuple[str, Sequence[str]]] = [
    # the file itself
    ("", ["config.yaml:1: is empty; begin with targets:"]),
    ("- a", ["config.yaml:1: must be a mapping of keys to values; begin with targets:"]),
    ("targets: [", ["config.yaml:1: is not YAML: expected the node content"]),
    ("targets:\n\t- a", ["config.yaml:2: is not YAML: found character '\\t'"]),
    ("web: {}\nweb: {}\ntargets: []", ["config.yaml:2: web: appears twice, first on line 1"]),
    ("targets: !!python/name:os.system x", ["config.yaml:1: targets: the tag"]),
    ("targets: &t [*t]", ["config.yaml:1: targets[0]: the alias refers to itself"]),
    (r'targets: ["\ud83d"]', ["config.yaml:1: targets[0]: contains half of a surrogate pair"]),
    ('a: 1\nb: "\\UFFFFFFFF"', ["config.yaml:2: is not YAML: an escape is not a valid character"]),
    # unknown keys, at every depth
    ("targetz: []", ["config.yaml:1: targetz: unknown key; did you mean 'targets'?"]),
    ("defaults:\n  intervall: 5s", ["config.yaml:2: defaults.intervall: unknown key; did you"]),
    (
        f"targets:\n  - {{{ONE}}}\n  - name: b\n    provider: openai\n    modell: m",
        [
            "config.yaml:3: targets[1].model: is missing; add it",
            "config.yaml:5: targets[1].modell: unknown key; did you mean 'model'?",
        ],
    ),
    (
        "probes: {p: {prompt: x, expect: {regexp: y}}}",
        ["config.yaml:1: probes.p.expect.regexp: unknown key; did you mean 'regex'?"],
    ),
    (
        "probes: {expect: {prompt: x, regx: y}}",
        ["config.yaml:1: probes.expect.regx: unknown key; use one of kind, interval, prompt"],
    ),
    (
        f"targets: [{{{ONE}, price: {{input: 1, output: 1, gpus_: 1}}}}]",
        ["config.yaml:1: targets[0].price.gpus_: unknown key; use one of input, output, cached"],
    ),
    (
        f"targets: [{{{ONE}, price: {{usd_per_hour: 1, gpu: 1}}}}]",
        ["config.yaml:1: targets[0].price.gpu: unknown key; did you mean 'gpus'?"],
    ),
    ("xyz: 1", ["config.yaml:1: xyz: unknown key; use one of web, defaults, probes"]),
    # missing keys
    (
        "targets: [{}]",
        [f"config.yaml:1: targets[0].{key}: is missing" for key in ("name", "provider", "model")],
    ),
    # names
    (
        "targets: [{name: a, provider: opnai, model: m}]",
        ["config.yaml:1: targets[0].provider: unknown provider 'opnai'; did you mean 'openai'?"],
    ),
    (
        f"targets: [{{{ONE}, preset: Groq2}}]",
        ["config.yaml:1: targets[0].preset: unknown preset 'Groq2'; did you mean 'groq'?"],
    ),
    (
        f"targets: [{{{ONE}, probes: [shrt]}}]",
        ["config.yaml:1: targets[0].probes[0]: unknown probe 'shrt'; did you mean 'short'?"],
    ),
    (
        f"targets: [{{{ONE}, probes: [short, short]}}]",
        ["config.yaml:1: targets[0].probes[1]: probe 'short' is listed twice; remove one"],
    ),
    (
        f"targets:\n - {{{ONE}}}\n - {{{ONE}}}",
        ["config.yaml:3: targets[1].name: another target is named 'a'; rename one"],
    ),
    (f"targets: [{{{ONE}, probes: []}}]", ["config.yaml:1: targets[0].probes: must not be empty"]),
    # values
    ("defaults: {interval: soon}", [f"config.yaml:1: defaults.interval: 'soon' {DURATION}"]),
    ("defaults: {interval: 0s}", ["config.yaml:1: defaults.interval: must be greater than 0"]),
    ("defaults: {interval: -5s}", [f"config.yaml:1: defaults.interval: '-5s' {DURATION}"]),
    ("defaults: {interval: true}", [f"config.yaml:1: defaults.interval: True {DURATION}"]),
    ("defaults: {interval: 400d}", ["config.yaml:1: defaults.interval: must be less than"]),
    ("defaults: {interval:}", ["config.yaml:1: defaults.interval:"]),
    ("defaults: {connection: keep}", ["config.yaml:1: defaults.connection: must be 'reuse' or"]),
    (
        "defaults: {connection: resue}",
        ["config.yaml:1: defaults.connection: must be 'reuse' or 'fresh'; did you mean 'reuse'?"],
    ),
    ("defaults: 5s", ["config.yaml:1: defaults: must be a mapping of keys to values"]),
    ("targets: {}", ["config.yaml:1: targets: must be a list"]),
    ("targets:", ["config.yaml:1: targets: is empty; give it a value or remove the key"]),
    ("web: {listen: localhost}", ["config.yaml:1: web.listen: 'localhost' is not HOST:PORT"]),
    ("web: {listen: 'a:99999'}", ["config.yaml:1: web.listen: 'a:99999' is not HOST:PORT"]),
    ("web: {enable_lifecycle: 2}", ["config.yaml:1: web.enable_lifecycle: must be true or false"]),
    (
        "targets: [{name: 7, provider: openai, model: m}]",
        ["config.yaml:1: targets[0].name: must be text; put it in quotes"],
    ),
    (
        f"targets: [{{{ONE}, base_url: api.example.com}}]",
        ["config.yaml:1: targets[0].base_url: must be an http:// or https:// URL"],
    ),
    (
        f"targets: [{{{ONE}, base_url: 'http://u:p@host/'}}]",
        ["config.yaml:1: targets[0].base_url: must not contain a user name or password"],
    ),
    (
        f"targets: [{{{ONE}, base_url: 'http://host/v1?key=k'}}]",
        ["config.yaml:1: targets[0].base_url: must not have a query or a fragment"],
    ),
    (
        f"targets: [{{{ONE}, api_version: '1'}}]",
        ["config.yaml:1: targets[0].api_version: this provider has no API versions"],
    ),
    (
        f"targets: [{{{ONE}, labels: {{target: x, 0a: y}}}}]",
        [
            "config.yaml:1: targets[0].labels.target: label 'target' is reserved",
            "config.yaml:1: targets[0].labels.0a: '0a' is not a Prometheus label name",
        ],
    ),
    (
        f"targets: [{{{ONE}, tls: {{cert_file: a.pem}}}}]",
        ["config.yaml:1: targets[0].tls: cert_file and key_file must be set together"],
    ),
    (
        f"targets: [{{{ONE}, price: {{input: -1, output: .inf}}}}]",
        [
            "config.yaml:1: targets[0].price.input: must be greater than or equal to 0",
            "config.yaml:1: targets[0].price.output: must be a number",
        ],
    ),
    (
        f"targets: [{{{ONE}, slo: {{success_ratio: 1}}}}]",
        ["config.yaml:1: targets[0].slo.success_ratio: must be less than 1"],
    ),
    ("probes: {}", ["config.yaml:1: probes: must not be empty"]),
    (
        "probes: {p: {}}",
        ["config.yaml:1: probes.p: set exactly one of prompt, prompts_file and messages"],
    ),
    (
        "probes: {p: {prompt: a, prompts_file: b}}",
        ["config.yaml:1: probes.p.prompts_file: b: there is no such file; check the path"],
    ),
    ("probes: {p: {prompt: ''}}", ["config.yaml:1: probes.p.prompt: must not be empty"]),
    (
        "probes: {p: {prompt: a, max_output_tokens: 1.5}}",
        ["config.yaml:1: probes.p.max_output_tokens: must be a whole number"],
    ),
    (
        "probes: {p: {prompt: a, expect: {regex: '('}}}",
        ["config.yaml:1: probes.p.expect.regex: is not a regular expression in Rust's syntax: '('"],
    ),
    # secrets
    (
        f"targets: [{{{ONE}, api_key: sk-1234567890}}]",
        ["config.yaml:1: targets[0].api_key: secrets are never values in the file; use {env"],
    ),
    (
        f"targets: [{{{ONE}, api_key: {{env: sk-1234567890}}}}]",
        ["config.yaml:1: targets[0].api_key.env: must be the name of an environment variable"],
    ),
    (
        f"targets: [{{{ONE}, headers: {{Authorization: Bearer sk-1234567890}}}}]",
        ["config.yaml:1: targets[0].headers.Authorization: carries a secret; write {env: NAME}"],
    ),
    (
        f"targets: [{{{ONE}, headers: {{'a b': x}}}}]",
        ["config.yaml:1: targets[0].headers.a b: 'a b' is not the name of a header"],
    ),
]


KEYS = [
    "sk-proj-Abc123Secret987",
    "sk-ant-api03-R2D2c3POx5T7q_9WvLs0mA-xQ4tAAA",
    "AKIAIOSFODNN7EXAMPLE1",
    "9f86d081884c7d659a2feaa0c55ad015",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0",
]
MISPLACED = [
    "api_key: {{{key}: }}",
    "api_key: !{key} x",
    "api_key: *{key} ",
    "headers: {{'Authorization: Bearer {key}': x}}",
    "interval: {key}",
    "probes: [{key}]",
    "labels: {{x-{key}: x}}",
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("setting", MISPLACED)
def test_a_key_in_the_wrong_place_is_not_shown(setting: str, key: str, folder: Path) -> None:
    found = "".join(mistakes(folder, f"targets: [{{{ONE}, {setting.format(key=key)}}}]"))
    parts = {word for part in key.split(".") for word in part.split("-") if len(word) > 6}
    assert not [part for part in parts if part in found]


@pytest.mark.parametrize(
    "name",
    [
        "Meta-Llama-3.1-405B-Instruct-FP8",
        "claude-sonnet-4-5-20250929",
        "gpt-4o-mini-2024-07-18",
        "vllm-qwen2-7d9f8b6c5d-x2k4p",
        "DeepSeek-R1-Distill-Qwen-32B-GGUF",
        "maximum_output_tokens_2",
    ],
)
def test_an_ordinary_name_is_shown(name: str, folder: Path) -> None:
    [found] = mistakes(folder, f"targets: [{{{ONE}, {name}: x}}]")
    assert f"targets[0].{name}: unknown key" in found


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=[text[:60] for text, _ in MISTAKES])
def test_a_mistake_is_reported_with_line_and_key(
    text: str, expected: Sequence[str], folder: Path
) -> None:
    found = mistakes(folder, text)
    assert len(found) == len(expected), found
    for line, beginning in zip(found, expected, strict=True):
        assert line.startswith(beginning)
    assert "1234567890" not in "".join(found)


def test_a_variable_below_an_empty_key_adds_no_second_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERENCE_EXPORTER_DEFAULTS__INTERVAL", "30s")
    assert mistakes(folder, f"defaults:\n{MINIMAL}") == [
        "config.yaml:1: defaults: is empty; give it a value or remove the key"
    ]


def test_all_mistakes_are_reported_together_in_line_order(folder: Path) -> None:
    found = mistakes(
        folder,
        """\
        web: {listen: x}
        defaults: {interval: soon}
        probes:
          p: {prompt: hi, max_output_tokens: 0}
        targets:
          - {name: a, provider: opnai, model: m}
          - {name: a, provider: openai, model: m, probes: [q]}
        """,
    )
    assert [line.split(": ")[:2] for line in found] == [
        ["config.yaml:1", "web.listen"],
        ["config.yaml:2", "defaults.interval"],
        ["config.yaml:4", "probes.p.max_output_tokens"],
        ["config.yaml:6", "targets[0].provider"],
        ["config.yaml:7", "targets[1].name"],
        ["config.yaml:7", "targets[1].probes[0]"],
    ]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"INTERVALL": "5s"}, "INFERENCE_EXPORTER_INTERVALL: unknown variable; did you mean"),
        (
            {"DEFAULTS__INTERVL": "5s"},
            "INFERENCE_EXPORTER_DEFAULTS__INTERVL: unknown key; did you mean 'interval'?",
        ),
        (
            {"DEFAULTS__INTERVAL": "soon"},
            f"INFERENCE_EXPORTER_DEFAULTS__INTERVAL: 'soon' {DURATION}",
        ),
        ({"TARGETS": "["}, "INFERENCE_EXPORTER_TARGETS: must be a list"),
        (
            {"TARGETS": "[" * 500 + "]" * 500},
            "INFERENCE_EXPORTER_TARGETS: is nested more than 100 deep",
        ),
        ({"PROBES": "[" * 100_000}, "INFERENCE_EXPORTER_PROBES: is nested more than 100 deep"),
        (
            {"DEFAULTS": '{"interval": "soon"}'},
            f"INFERENCE_EXPORTER_DEFAULTS.interval: 'soon' {DURATION}",
        ),
        (
            {"TARGETS__0__MODEL": "x"},
            "INFERENCE_EXPORTER_TARGETS__0__MODEL: targets is not a mapping; set INFERENCE_E",
        ),
        (
            {"WEB__LISTEN": ":1", "WEB__LISTEN__PORT": "2"},
            "INFERENCE_EXPORTER_WEB__LISTEN__PORT: web.listen is not a mapping; set INFERENCE_E",
        ),
        (
            {"TARGETS": '[{"name": "x", "provider": "openai"}]'},
            "INFERENCE_EXPORTER_TARGETS[0].model: is missing; add it",
        ),
        (
            {"PROBES__P__EXPECT": '{"regexp": "x"}'},
            "INFERENCE_EXPORTER_PROBES__P__EXPECT.regexp: unknown key; did you mean 'regex'?",
        ),
        (
            {"PROBES__P__PROMT": "x"},
            "INFERENCE_EXPORTER_PROBES__P__PROMT: unknown key; did you mean 'prompt'?",
        ),
        (
            {"PROBES__P": '{"kind": "embeddings", "input": 5}'},
            "INFERENCE_EXPORTER_PROBES__P.input: must be a list",
        ),
        ({"LOCATION__CLOUD": "x"}, "INFERENCE_EXPORTER_LOCATION__CLOUD: must be 'aws', 'azure'"),
    ],
)
def test_a_mistake_in_a_variable_names_the_variable(
    variables: Mapping[str, str], expected: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"INFERENCE_EXPORTER_{name}", value)
    (line,) = mistakes(folder, MINIMAL)
    assert line.startswith(expected)


def test_target_files_add_targets_in_the_order_of_their_names(folder: Path) -> None:
    for name in ("b", "a"):
        written(folder, f"[{{name: {name}, provider: openai, model: m}}]", f"d/{name}.yml")
    written(folder, "[]", "d/none.yml")
    config = loaded(
        folder,
        "target_files: [d/*.yml, 'd/a*', nothing/*]\n"
        + MINIMAL[:-1].replace("name: a", "name: main"),
    )
    assert [target.name for target in config.targets] == ["main", "a", "b"]


def test_a_pattern_that_matches_no_file_is_warned_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(folder, "[]", "d/none.yml")
    path = written(folder, f"{MINIMAL}target_files: [d/*.yml, 'b/*.yml', '']\n")
    _, warnings = checked(path)
    assert [str(warning).replace(f"{folder}/", "") for warning in warnings] == [
        "config.yaml:2: target_files[1]: no file matches 'b/*.yml' yet",
        "config.yaml:2: target_files[2]: no file matches '' yet",
    ]
    monkeypatch.setenv("INFERENCE_EXPORTER_TARGET_FILES", '["c/*"]')
    monkeypatch.setattr(config_file, "log", structlog.get_logger())  # used ones are not captured
    with structlog.testing.capture_logs() as logs:
        load(path)
    (told,) = [entry["where"] for entry in logs]
    assert told == "INFERENCE_EXPORTER_TARGET_FILES[0]: no file matches 'c/*' yet"


def test_mistakes_in_target_files_are_reported_at_their_location(folder: Path) -> None:
    written(folder, "- {name: main, provider: openai, model: m}\n- {nme: x}\n", "d/a.yml")
    written(folder, "name: x\n", "d/b.yml")
    written(folder, "[", "d/c.yml")
    found = mistakes(
        folder,
        "target_files: ['d/*']\ntargets: [{name: main, provider: openai, model: m}]",
    )
    assert [line.split("; ")[0] for line in found] == [
        "d/a.yml:1: [0].name: another target is named 'main'",
        "d/a.yml:2: [1].name: is missing",
        "d/a.yml:2: [1].provider: is missing",
        "d/a.yml:2: [1].model: is missing",
        "d/a.yml:2: [1].nme: unknown key",
        "d/b.yml:1: must be a list of targets",
        found[-1].split("; ")[0],
    ]
    assert found[-1].startswith("d/c.yml:1: is not YAML")


def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: there is no such file; check the path"):
        load(folder / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(folder)
    (folder / "latin.yaml").write_bytes("# é\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.yaml:1: is not UTF-8 text; save it as UTF-8"):
        load(folder / "latin.yaml")


def test_scalars_mean_what_they_look_like(folder: Path) -> None:
    """YAML 1.1 would read these as true, a sexagesimal number, and a date."""
    config = loaded(
        folder,
        "targets: [{name: on, provider: openai, model: 2026-01-31, labels: {a: yes, b: 1:30}}]",
    )
    (target,) = config.targets
    assert (target.name, target.model) == ("on", "2026-01-31")
    assert target.labels == {"a": "yes", "b": "1:30"}


def test_a_character_in_two_halves_as_json_escapes_it_is_one(folder: Path) -> None:
    config = loaded(folder, r'targets: [{name: "\ud83d\ude00", provider: openai, model: m}]')
    assert config.targets[0].name == "\N{GRINNING FACE}"


def test_every_file_is_watched_and_a_change_in_any_is_seen(folder: Path) -> None:
    files = [
        written(folder, '{"prompt": "hi"}\n', "prompts.jsonl"),
        written(folder, "[{name: b, provider: openai, model: m}]", "d/b.yml"),
        written(folder, "GIF89a", "picture.gif"),
    ]
    config = written(
        folder,
        """\
        probes:
          p: {prompts_file: prompts.jsonl}
          of_picture: {prompt: Describe it., image: picture.gif}
          of_code: {prompt: Read it., image: code}
        target_files: [d/*.yml]
        """,
    )
    load(config)
    assert {path.resolve() for path in watched_files(config)} == {config, *files}
    seen = {fingerprint(config)}
    for path in (config, *files):
        path.write_text(path.read_text() + "\n")
        seen.add(fingerprint(config))
    written(folder, "[]", "d/c.yml")
    seen.add(fingerprint(config))
    files[0].unlink()
    seen.add(fingerprint(config))
    assert len(seen) == 7


def test_the_schema_is_json_and_says_its_dialect() -> None:
    schema = json.loads(json_schema())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"targets", "probes", "defaults", "web"} <= schema["properties"].keys()


def test_the_schema_says_of_a_key_what_the_code_says_of_it() -> None:
    """This includes keys that have another name in the code or come from a base class."""
    schema = json.loads(json_schema())
    definitions = schema["$defs"]
    assert schema["properties"]["version"]["description"] == "Version of the file format."
    assert "must be JSON" in definitions["Expectation"]["properties"]["json"]["description"]
    assert definitions["Chat"]["properties"]["interval"]["description"]
