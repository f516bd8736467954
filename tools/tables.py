"""Write the tables in the documentation that are generated from code.

A table is between the lines ``<!-- table: NAME -->`` and ``<!-- end of table -->``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from exporter.metrics.exporter_families import EXPORTER_FAMILIES
from exporter.metrics.family import Families
from exporter.metrics.target_families import TARGET_FAMILIES
from tools.costs import costs
from tools.judges import matrix, servers, versions

ROOT = Path(__file__).parents[1]
_MARKED = re.compile(r"(<!-- table: (.+?) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def tables() -> Mapping[str, str]:
    """Return every table, by name."""
    return {
        "metrics of targets": "".join(_metrics(TARGET_FAMILIES, "further labels")),
        "metrics of the exporter": "".join(_metrics(EXPORTER_FAMILIES, "labels")),
        "providers and kinds": "".join(matrix()),
        "judges": f"{versions()}.\n",
        "real servers": f"{servers()}.\n",
        "costs of kinds": "".join(costs()),
    }


def _metrics(families: Families, labels: str) -> Iterator[str]:
    yield f"| metric | type | {labels} | meaning |\n|---|---|---|---|\n"
    yield from (f"{family.row()}\n" for family in families)


def filled(page: str) -> str:
    """Return a page with its current tables.

    :raises KeyError: the page requests a table that doesn't exist.
    """
    known = tables()
    return _MARKED.sub(lambda match: f"{match[1]}{known[match[2]]}{match[3]}", page)


def main() -> None:
    for path in sorted(ROOT.glob("docs/**/*.md")):
        before = path.read_text()
        after = filled(before)
        if after != before:
            path.write_text(after)
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
