"""What all pages share: layout, style, script, and Content-Security-Policy."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from exporter import __version__
from exporter.site import words
from exporter.site.backend import Condition

if TYPE_CHECKING:
    from jinja2 import Environment

REFRESH_SECONDS = 5
"""How often a page refreshes."""


_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:%|ms|s|min|h|d)(?!\w))")


@dataclass(frozen=True, slots=True)
class Page:
    """A page and its Content-Security-Policy."""

    html: str
    security_policy: str


def target_url(name: str) -> str:
    """The URL of a target's page."""
    return f"/targets/{quote(name, safe='')}"


def render(template: str, condition: Condition, problems: int, **values: Any) -> Page:
    """A page as of now.

    :param problems: the number of problems, for the title and the menu.
    """
    nonce = secrets.token_urlsafe(16)
    html = (
        _environment()
        .get_template(template)
        .render(
            nonce=nonce,
            now=time.time(),
            version=__version__,
            condition=condition,
            problems=problems,
            refresh_seconds=REFRESH_SECONDS,
            **values,
        )
    )
    return Page(
        html,
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
        "connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'",
    )


def _without_breaks(text: str) -> str:
    """Keep each number and its unit on one line."""
    return _BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", text)


@cache
def _environment() -> Environment:
    # Imported on first use: it takes megabytes, which an exporter without visitors saves.
    from jinja2 import Environment, PackageLoader  # noqa: PLC0415

    environment = Environment(
        loader=PackageLoader("exporter.site.pages", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "seconds": words.seconds,
        "rate": words.rate,
        "percent": words.percent,
        "usd": words.usd,
        "span": words.span,
        "target_url": target_url,
        "nobreak": _without_breaks,
    }
    return environment
