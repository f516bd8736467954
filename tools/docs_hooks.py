"""mkdocs hooks: links that leave ``docs`` point to the repository, and names in tables can wrap."""

from __future__ import annotations

import posixpath
import re
from typing import Any

_IN_CELL = re.compile(r"<td.*?</td>", re.DOTALL)
_NAME = re.compile(r"<code>[^<]*</code>")
_LINK = re.compile(r"(\]\()(\.\./[^)#\s]*)(#[^)\s]*)?(\))")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Return the page with absolute URLs for files outside of ``docs``."""
    folder = posixpath.dirname(page.file.src_uri)

    def outside(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", folder, match[2]))
        if path.startswith("docs/") or path == "docs":
            return match[0]
        return f"{match[1]}{config.repo_url.rstrip('/')}/blob/main/{path}{match[3] or ''}{match[4]}"

    return _LINK.sub(outside, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Return the page with places to wrap in long names: after each underscore, in table cells."""
    return _IN_CELL.sub(
        lambda cell: _NAME.sub(lambda name: name[0].replace("_", "_<wbr>"), cell[0]), html
    )
