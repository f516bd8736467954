"""The systemd unit for plain hosts, checked by systemd's own tools."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.conftest import find_tool

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "inference-exporter.service"
MOST_EXPOSED = 2.0
"""systemd rates up to 4.9 of 10 as OK."""


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    analyze = find_tool("systemd-analyze")
    unit = tmp_path / UNIT.name
    unit.write_text(
        re.sub("^ExecStart=.*$", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE)
    )
    verified = subprocess.run(
        [analyze, "verify", unit], capture_output=True, text=True, check=False, timeout=150
    )
    complaints = [line for line in verified.stderr.splitlines() if UNIT.name in line]
    assert not complaints


def test_a_key_is_where_the_guide_says() -> None:
    """A leading hyphen, which makes other files optional, would be part of the name."""
    (credential,) = re.findall("^LoadCredential=([^:]+):", UNIT.read_text(), re.MULTILINE)
    path = f"/run/credentials/{UNIT.name}/{credential}"
    guide = (UNIT.parents[2] / "docs" / "systemd.md").read_text()
    assert f"{{file: {path}}}" in guide
    assert f"{{file: {path}}}" in UNIT.read_text()


def test_the_unit_exposes_little() -> None:
    analyze = find_tool("systemd-analyze")
    judged = subprocess.run(
        [analyze, "security", "--offline=true", UNIT],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    level = re.search(r"Overall exposure level .*: (\d+\.\d)", judged.stdout)
    assert level, judged.stderr
    assert float(level[1]) <= MOST_EXPOSED
