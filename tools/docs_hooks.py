"""An mkdocs hook: links that leave ``docs`` point to the repository."""

from __future__ import annotations

import posixpath
import re
from typing import Any

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
