"""The predictions of ``check-config``: probes, tokens, and spend per day, and warnings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from exporter.cli import main
from exporter.commands.check_report import report
from exporter.config.root import Config


def target(name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"name": name, "provider": "openai", "model": "m", **fields}


def lines(*targets: dict[str, Any], **settings: Any) -> list[str]:
    return report(Config.model_validate({"targets": list(targets), **settings})).splitlines()


TWO_PROBES = {
    "short": {"prompt": "x" * 62, "max_output_tokens": 100},
    "long": {"prompt": "x" * 382, "max_output_tokens": 1000},
}


def test_probes_tokens_and_spend_of_a_day_are_summed_by_target() -> None:
    """The nonce extends 62 characters to 80, and 4 characters count as a token."""
    price = {"input": 1.0, "output": 10.0}
    table = lines(
        target("cheap", interval="1h", price=price, probes=["short"]),
        target("dear", interval="24m", price=price),
        probes=TWO_PROBES,
    )
    assert [line.split() for line in table[1:4]] == [
        ["cheap", "openai", "m", "short", "every", "1h", "24", "480", "2,400", "0.02", "0.73"],
        [
            "dear",
            "openai",
            "m",
            "short,",
            "long",
            "every",
            "24m",
            "120",
            "7,200",
            "66,000",
            "0.67",
            "20.02",
        ],
        ["total", "144", "7,680", "68,400", "0.69", "20.75"],
    ]
    assert table[5] == "Spend: 0.69 USD per day, 20.75 USD per month."


def test_an_unknown_price_is_not_taken_for_nothing() -> None:
    table = lines(
        target("priced", interval="1h", price={"input": 0, "output": 10}), target("unpriced")
    )
    assert table[2].split()[-2:] == ["unknown", "unknown"]
    assert table[3].split()[-2:] == ["unknown", "unknown"]
    assert table[5].startswith("Spend: 0.02 USD per day")
    assert table[5].endswith("plus targets with an unknown price.")


def test_prompts_of_a_file_count_by_their_mean(tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "' + "x" * 22 + '"}\n{"prompt": "' + "x" * 102 + '"}\n')
    probes = {"p": {"prompts_file": str(file), "max_output_tokens": 1}}
    table = lines(target(interval="1d"), probes=probes)
    assert table[1].split()[-5:] == ["1", "20", "1", "unknown", "unknown"]


def test_without_targets_nothing_is_probed() -> None:
    assert lines() == ["No targets: nothing will be probed."]


def test_the_figures_are_aligned() -> None:
    table = lines(target("a", interval="5s"), target("a-much-longer-name", interval="1h"))
    rows = table[:4]
    assert len({row.index("openai") for row in rows[1:3]}) == 1
    assert len({len(row) for row in rows}) == 1


@pytest.mark.parametrize(
    ("fields", "warning"),
    [
        (
            {"api_key": {"env": "NO_SUCH_KEY"}},
            "warning: target a: environment variable NO_SUCH_KEY is not set",
        ),
        (
            {"headers": {"X-Key": {"file": "/no/such/key"}}},
            "warning: target a: secret file /no/such/key cannot be read: No such file or directory",
        ),
        ({"tls": {"ca_file": "/no/ca.pem"}}, "warning: target a: there is no file /no/ca.pem"),
    ],
)
def test_what_will_make_probes_fail_is_warned_of(
    fields: dict[str, Any], warning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    assert lines(target(**fields))[-1] == warning


def test_only_unknown_prices_are_unknown_spend() -> None:
    text = "\n".join(lines(target(), budget={"usd_per_day": 5}))
    assert "\nSpend: unknown: " in text
    assert "0.00" not in text.replace("5.00", "")
    budget = "Budget of all targets: 5.00 USD per day; how much of it probes need is unknown"
    assert f"\n{budget}, because no price is known.\n" in text


def test_some_unknown_prices_make_the_need_of_a_budget_a_least_one() -> None:
    priced = target("priced", interval="1h", price={"input": 0, "output": 10})
    (budget,) = [
        line
        for line in lines(priced, target("unpriced"), budget={"usd_per_day": 1})
        if line.startswith("Budget")
    ]
    assert budget.endswith("; probes need at least 2% of it.")


NO_KEY = "no api_key, which"


@pytest.mark.parametrize(
    ("fields", "warned"),
    [
        ({}, True),
        ({"base_url": "https://api.openai.com/v1"}, True),
        ({"base_url": "https://api.groq.com/openai/v1"}, True),
        ({"base_url": "http://10.0.0.7:8000/v1"}, False),
        ({"provider": "vllm", "base_url": "http://vllm.svc/v1"}, False),
        ({"provider": "gemini"}, True),
        ({"provider": "bedrock", "region": "eu-west-1"}, False),
        ({"api_key": {"env": "A_KEY"}}, False),
        ({"headers": {"Authorization": {"env": "A_KEY"}}}, False),
    ],
)
def test_a_public_api_without_a_key_is_warned_of(
    fields: dict[str, Any], warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", "sk-0123456789")
    assert (NO_KEY in "".join(lines(target(**fields)))) is warned


def test_a_proxy_that_cannot_be_used_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:hunter2-hunter2@[::1")
    text = "".join(lines(target(base_url="http://models.test/v1")))
    assert "the proxy for http is not a URL" in text
    assert "hunter2" not in text


def test_no_name_controls_the_terminal() -> None:
    config = Config.model_validate(
        {
            "targets": [target("red\x1b[31m\nnew", model="m\x07", budget={"usd_per_day": 1})],
            "probes": {"p\x9b": {"prompt": "x"}},
        }
    )
    found = report(config)
    assert found.replace("\n", "").isprintable()
    assert "red\ufffd[31m\ufffdnew" in found


def test_strict_fails_if_target_files_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("targets: []\ntarget_files: [targets.d/*.yml]\n")
    ran = CliRunner().invoke(main, ["check-config", str(path)])
    warning = f"warning: {path}:2: target_files[0]: no file matches 'targets.d/*.yml' yet\n"
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.startswith(warning)
    assert CliRunner().invoke(main, ["check-config", "--strict", str(path)]).exit_code == 1


def test_the_table_is_as_wide_as_the_terminal() -> None:
    config = Config.model_validate({"targets": [target("a" * 60), target("b" * 30)]})
    for width in (60, 80, 100, 120, 200):
        table = report(config, width).splitlines()[:4]
        assert max(map(len, table)) <= max(width, 99 - 2)
        assert len({len(row) for row in table}) == 1
    assert "a" * 60 in report(config)
    assert f"{'a' * 19}" in report(config, 120)


@pytest.mark.parametrize(("key", "code"), [("{env: A_KEY}", 0), ("{env: NO_SUCH_KEY}", 1)])
def test_strict_fails_where_there_is_something_to_warn_of(
    key: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", "sk-0123456789")
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    path = tmp_path / "config.yaml"
    path.write_text(f"targets: [{{name: a, provider: openai, model: m, api_key: {key}}}]")
    ran = CliRunner().invoke(main, ["check-config", "--strict", str(path)])
    assert ran.exit_code == code
    assert ("warning: " in ran.output) is bool(code)
    assert CliRunner().invoke(main, ["check-config", str(path)]).exit_code == 0
