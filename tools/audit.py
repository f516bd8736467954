#!/usr/bin/env python3
"""Checks the exporter's dependencies against the vulnerability database.

    tools/audit.py .venv/bin/pip-audit requirements.txt

Exits with 1 if it finds a known vulnerability. If the database isn't reachable, it only prints a
message, because a machine may have no Internet access. With REQUIRE_AUDIT=1, it fails instead.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

_OPTIONS = ("--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json")


def audited(pip_audit: str, requirements: str) -> list[dict[str, Any]]:
    """Return the database's answer for each package. Empty if it isn't reachable."""
    answer = subprocess.run(
        [pip_audit, *_OPTIONS, "--requirement", requirements],
        check=False,
        capture_output=True,
        text=True,
    )
    try:
        return json.loads(answer.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(answer.stderr[-2000:], file=sys.stderr)
        return []


def main(pip_audit: str, requirements: str) -> int:
    packages = audited(pip_audit, requirements)
    known = [package for package in packages if "skip_reason" not in package]
    for package in known:
        for found in package["vulns"]:
            fixed = ", ".join(found["fix_versions"]) or "no version yet"
            print(f"{package['name']} {package['version']}: {found['id']}, fixed in {fixed}")
    if any(package["vulns"] for package in known):
        return 1
    if not packages or len(known) < len(packages):
        print(f"Not audited: the database answered for {len(known)} of {len(packages)} packages.")
        return int(os.environ.get("REQUIRE_AUDIT") == "1")
    print(f"None of {len(known)} packages has a known vulnerability.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
