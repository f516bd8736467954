"""Whom a TLS connection trusts, and by which certificate this side is known."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path

import httpx

from exporter.config.connection import TlsSettings
from exporter.net.failure import NetworkFailure
from exporter.result import FailureReason


def tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """The context for these settings. Contexts are shared: each takes about a megabyte.

    :raises NetworkFailure: a file cannot be read or used.
    """
    files = (settings.ca_file, settings.cert_file, settings.key_file)
    return _tls_context(settings, tuple(map(_modified, filter(None, files))))


@lru_cache(maxsize=64)
def _tls_context(settings: TlsSettings, _versions: tuple[int, ...]) -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    try:
        if settings.ca_file:
            context.load_verify_locations(settings.ca_file)
        if settings.cert_file and settings.key_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(str(file) for file in (settings.ca_file, settings.cert_file) if file)
        raise NetworkFailure(FailureReason.TLS, f"{names} cannot be used: {error}") from error
    return context


def _modified(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError as error:
        detail = f"{file} cannot be read: {error.strerror}"
        raise NetworkFailure(FailureReason.TLS, detail) from error
