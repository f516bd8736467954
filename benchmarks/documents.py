"""The parts of documents that a benchmark writes: between ``<!-- measured: NAME -->`` and
``<!-- measured: end -->``."""

from __future__ import annotations

import sys
from pathlib import Path

_DOCS = Path(__file__).parents[1] / "docs"
_END = "<!-- measured: end -->"


def renew_part(document: str, name: str, text: str) -> None:
    """Put what was measured in its place.

    :param document: the name of a file in ``docs``.
    :raises SystemExit: no place is marked for it.
    """
    page = _DOCS / document
    before, begin, rest = page.read_text().partition(f"<!-- measured: {name} -->\n")
    _, end, after = rest.partition(_END)
    if not begin or not end:
        sys.exit(f"{page}: no place is marked for {name!r}")
    page.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}")
