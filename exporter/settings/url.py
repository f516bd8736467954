"""Validates URLs, rejecting what DNS, httpx or h11 would reject, and writes their parts."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from urllib.parse import quote, urlsplit

import idna

_MAX_CHARACTERS = 2000
"""A length that all servers and proxies accept."""
_MAX_HOST_CHARACTERS = 253
_URL = re.compile(r"(https?)://(\[[^\]/?#\s]*\]|[^/?#:\s]*)(:[0-9]*)?(/\S*)?")
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")
_PATH_CHARACTERS = "/%:@!$&'()*+,;=~-._"
_NOT_A_URL = "must be an http:// or https:// URL"


def http_url(url: str) -> str:
    """Encode a URL for a request, and remove a trailing slash.

    :raises ValueError: the URL is invalid, or it has a query, a fragment or credentials.
    """
    if len(url) > _MAX_CHARACTERS:
        raise ValueError(f"is longer than {_MAX_CHARACTERS} characters")
    if any(not character.isprintable() for character in url):
        raise ValueError("contains a control character; remove it")
    if re.match(r"https?://", url) and ("?" in url or "#" in url):
        raise ValueError("must not have a query or a fragment")
    if re.match(r"https?://[^/]*@", url):
        raise ValueError("must not contain a user name or password; use api_key or headers")
    parts = _URL.fullmatch(url)
    if parts is None or not parts[2] or not _is_port(url):
        raise ValueError(_NOT_A_URL)
    scheme, host, port, path = parts.groups()
    encoded = quote(path or "", safe=_PATH_CHARACTERS)
    return f"{scheme}://{_host(host)}{port or ''}{encoded}".rstrip("/")


def authority(host: str, port: int | str) -> str:
    """Return host and port as a URL has them: an IPv6 address in brackets (RFC 3986, section
    3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _host(host: str) -> str:
    if host.startswith("["):
        return f"[{_ipv6(host[1:-1])}]"
    try:
        ascii_host = host if host.isascii() else idna.encode(host.lower()).decode()
        labels = ascii_host.removesuffix(".").split(".")
        for label in labels:
            if label.lower().startswith("xn--"):
                idna.decode(label)
    except UnicodeError as error:
        raise ValueError(f"{host!r} is not a valid host name: {error}") from None
    if len(ascii_host) > _MAX_HOST_CHARACTERS or not all(map(_LABEL.fullmatch, labels)):
        wanted = f"labels of 1 to 63 letters, digits and hyphens, {_MAX_HOST_CHARACTERS} in all"
        raise ValueError(f"{host[:80]!r} is not a valid host name; it has {wanted}")
    return ascii_host


def _ipv6(address: str) -> str:
    try:
        if "%" in address:
            raise ValueError("a zone cannot be sent")
        IPv6Address(address)
    except ValueError as error:
        raise ValueError(f"{address!r} is not an IPv6 address: {error}") from None
    return address
