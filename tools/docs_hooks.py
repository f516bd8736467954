"""What mkdocs does beside rendering: links that leave ``docs`` lead to the repository."""

from __future__ import annotations

import posixpath
import re
from typing import Any

_LINK = re.compile(r"(\]\()(\.\./[^)#\s]*)(#[^)\s]*)?(\))")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """The page, with whole addresses for what is not in ``docs``."""
    folder = posixpath.dirname(page.file.src_uri)

    def outside(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", folder, match[2]))
        if path.startswith("docs/") or path == "docs":
            return match[0]
        return f"{match[1]}{config.repo_url.rstrip('/')}/blob/main/{path}{match[3] or ''}{match[4]}"

    return _LINK.sub(outside, markdown)
