#!/usr/bin/env python3
"""Asks the vulnerability database for what is installed with the exporter.

    tools/audit.py .venv/bin/pip-audit requirements.txt

Exits with 1 if a known vulnerability is found. A database that cannot be asked is only told of,
since a bare machine may have no Internet, but fails where REQUIRE_AUDIT=1 is set.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

_OPTIONS = ("--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json")


def audited(pip_audit: str, requirements: str) -> list[dict[str, Any]]:
    """What the database says of each package; nothing if there was no answer at all."""
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
