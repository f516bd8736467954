"""The HTTP proxy that the environment names for a URL."""

from __future__ import annotations

import urllib.request
from urllib.parse import unquote, urlsplit

import httpx

from exporter.net.failure import NetworkFailure
from exporter.result import FailureReason
from exporter.settings.redaction import remember


def proxy_for(url: str) -> str | None:
    """The proxy that ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` name for a
    URL.

    :raises NetworkFailure: it isn't an HTTP proxy.
    """
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.netloc):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    try:
        named = urlsplit(proxy)
        usable = bool(httpx.URL(proxy).host) and named.port != 0
    except (ValueError, httpx.InvalidURL):
        named, usable = None, False
    if named is None or not usable:
        # The text may contain a password.
        detail = f"the proxy for {parts.scheme} is not a URL; correct the variable that names it"
        raise NetworkFailure(FailureReason.CONNECT, detail)
    if named.password:
        remember(named.password)
        remember(unquote(named.password))
    if not proxy.startswith(("http://", "https://")):
        raise NetworkFailure(
            FailureReason.CONNECT,
            f"the proxy for {parts.scheme} must be an http:// or https:// URL; "
            f"it is a {urlsplit(proxy).scheme}:// one",
        )
    return proxy
