"""Which certificates a TLS connection trusts, and which one it presents."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache, partial
from pathlib import Path

import httpx

from exporter.config.connection import TlsSettings
from exporter.net.failure import NetworkFailure
from exporter.process.offload import Unanswered, offload
from exporter.result import FailureReason
from exporter.settings.files import check_regular

_PATIENCE_SECONDS = 5.0


def tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """The context for these settings. Contexts are shared, because each takes about a megabyte.

    :raises NetworkFailure: a file can't be read or used.
    """
    return _tls_context(settings, tuple(map(_modified, _files(settings))))


async def trusted(settings: TlsSettings) -> ssl.SSLContext:
    """The context for these settings. Another thread reads the files.

    :raises NetworkFailure: as ``tls_context``, or the file system doesn't respond.
    """
    if not _files(settings):
        return tls_context(settings)
    try:
        return await offload(settings, partial(tls_context, settings), _PATIENCE_SECONDS)
    except Unanswered:
        names = ", ".join(map(str, _files(settings)))
        detail = f"{names}: the file system has not answered for {_PATIENCE_SECONDS:g} s"
        raise NetworkFailure(FailureReason.TLS, detail) from None


def _files(settings: TlsSettings) -> tuple[Path, ...]:
    files = (settings.ca_file, settings.cert_file, settings.key_file)
    return tuple(filter(None, files))


def _of_the_system() -> tuple[Path, ...]:
    """The file that replaces the system's certificates, if there is one."""
    file = os.environ.get("SSL_CERT_FILE")
    return (Path(file),) if file else ()


def _no_password() -> str:
    """OpenSSL would ask at the terminal."""
    raise OSError("the key is encrypted; only a plain key can be used")


@lru_cache(maxsize=64)
def _tls_context(settings: TlsSettings, _versions: tuple[int, ...]) -> ssl.SSLContext:
    try:
        for file in (*_of_the_system(), *_files(settings)):
            check_regular(file)  # OpenSSL would wait for bytes in a named pipe
        context = httpx.create_ssl_context()
        context.set_alpn_protocols(["http/1.1"])
        if settings.ca_file:
            context.load_verify_locations(settings.ca_file)
        if settings.cert_file and settings.key_file:
            context.load_cert_chain(settings.cert_file, settings.key_file, _no_password)
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(map(str, _files(settings))) or "the system's certificates"
        raise NetworkFailure(FailureReason.TLS, f"{names} cannot be used: {error}") from error
    return context


def _modified(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError as error:
        detail = f"{file} cannot be read: {error.strerror}"
        raise NetworkFailure(FailureReason.TLS, detail) from error
