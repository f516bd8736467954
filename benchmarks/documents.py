"""Updates the parts of documents between ``<!-- measured: NAME -->`` and
``<!-- measured: end -->`` with the results of benchmarks."""

from __future__ import annotations

import sys
from pathlib import Path

_DOCS = Path(__file__).parents[1] / "docs"
_END = "<!-- measured: end -->"


def renew_part(document: str, name: str, text: str) -> None:
    """Replace the measured part of a document.

    :param document: the name of a file in ``docs``.
    :raises SystemExit: the document has no part with this name.
    """
    page = _DOCS / document
    before, begin, rest = page.read_text().partition(f"<!-- measured: {name} -->\n")
    _, end, after = rest.partition(_END)
    if not begin or not end:
        sys.exit(f"{page}: no place is marked for {name!r}")
    page.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}")
