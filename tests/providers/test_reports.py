"""How a whole probe interprets each public report in ``tests/fixtures/FIELD.md``."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from exporter.result import ProbeResult
from tests.contract.probing import probed
from tests.providers.golden import FIXTURES
from tests.wire import wire_server

KEY = "KEY_OF_THE_FIELD"
PATHS = {"anthropic": "", "bedrock": "", "dashscope": "/api/v1", "ollama": ""}


class Report(NamedTuple):
    """One row of the log."""

    fixture: str
    provider: str
    source: str
    quirk: str
    before: str
    after: str


_LOG = (FIXTURES / "FIELD.md").read_text()
_ROWS = re.findall(
    r"^\| `(\w+)` \| `([\w:]+)` \| (\S+#\d+) \| (.+?) \| (.+?) \| (.+?) \|$", _LOG, re.MULTILINE
)
REPORTS = [Report(*row) for row in _ROWS]


def verdict(result: ProbeResult) -> str:
    """Return the outcome of a probe, in the wording of the log."""
    said = [result.failure.reason.value if result.failure else "success"]
    if result.usage:
        said.append(f"{result.usage.input} in, {result.usage.output} out")
    if result.retry_after_seconds is not None:
        said.append(f"wait {result.retry_after_seconds:g} s")
    if result.rate_limits:
        left = (f"{limit.resource} {limit.remaining:g}" for limit in result.rate_limits)
        said.append("limits " + " ".join(left))
    return ", ".join(said)


def test_every_fixture_is_in_the_log_and_every_row_has_one() -> None:
    assert {report.fixture for report in REPORTS} == {
        path.stem for path in (FIXTURES / "field").iterdir()
    }


def test_the_log_counts_right() -> None:
    counted = re.search(r"^\| all \| (\d+) \| (\d+) \| (\d+) \|$", _LOG, re.MULTILINE)
    assert counted
    right = sum(report.before == report.after for report in REPORTS)
    assert [*map(int, counted.groups())] == [len(REPORTS), right, len(REPORTS)]


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.fixture)
async def test_a_report_has_its_verdict(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "key-of-the-field")
    provider, _, preset = report.provider.partition(":")
    response = (FIXTURES / "field" / f"{report.fixture}.http").read_bytes()
    with wire_server([response]) as server:
        base_url = server.url + PATHS.get(provider, "/v1")
        key = {"env": KEY}
        result = await probed(provider, base_url, api_key=key, preset=preset or None)
    assert verdict(result) == report.after, result.failure
