"""Write the tables of the documentation that follow from declarations in the code.

A table stands between the lines ``<!-- table: NAME -->`` and ``<!-- end of table -->``.
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
    """Every table, by its name."""
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
    """A page with its tables as they are now.

    :raises KeyError: it asks for a table that does not exist.
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
