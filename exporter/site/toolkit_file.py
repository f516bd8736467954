"""The active web configuration file: loaded, validated, and reloaded when it changes."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import ValidationError

from exporter.settings.explain import mistakes_in
from exporter.settings.mistakes import ConfigError, Mistake
from exporter.settings.yaml_lines import read_document
from exporter.site.toolkit_settings import WebConfig

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings of a valid web configuration file."""

    config: WebConfig
    tls: ssl.SSLContext | None


class WebConfigFile:
    """A web configuration file, reloaded when it or a file that it names changes.

    After the first load, an invalid change is logged and the previous settings stay active,
    because a certificate and its key are rarely replaced at the same instant. Without a path there
    is neither TLS nor authentication.

    :raises ConfigError: the file is invalid.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._watched: tuple[Path, ...] = (path,) if path else ()
        self._loaded = self._load(path) if path else Loaded(WebConfig(), None)
        self._fingerprint = _fingerprint(self._watched)

    @property
    def has_tls(self) -> bool:
        return self._loaded.tls is not None

    def current(self) -> Loaded:
        """The active settings."""
        fingerprint = _fingerprint(self._watched)
        if self._path and fingerprint != self._fingerprint:
            self._fingerprint = fingerprint
            self._reload(self._path)
        return self._loaded

    def _reload(self, path: Path) -> None:
        try:
            loaded = self._load(path)
        except ConfigError as error:
            log.error("web configuration not reloaded, the old one stays active", error=str(error))
            return
        if (loaded.tls is None) == self.has_tls:
            log.error("web configuration not reloaded: turning TLS on or off needs a restart")
            return
        self._loaded = loaded
        log.info("web configuration reloaded", path=str(path))

    def _load(self, path: Path) -> Loaded:
        config = _parse(path)
        tls = config.tls_server_config
        if tls is None:
            return Loaded(config, None)
        self._watched = (path, *tls.files)
        try:
            return Loaded(config, tls.context())
        except OSError as error:
            raise ConfigError([Mistake(str(error), path, key="tls_server_config")]) from error


def _parse(path: Path) -> WebConfig:
    document = read_document(path)
    mistakes = list(document.mistakes)
    try:
        config = WebConfig.model_validate({} if document.value is None else document.value)
    except ValidationError as error:
        mistakes += mistakes_in(error, WebConfig, document)
        raise ConfigError(mistakes) from None
    if mistakes:
        raise ConfigError(mistakes)
    return config


def _fingerprint(paths: Iterable[Path]) -> tuple[tuple[int, int, int] | None, ...]:
    return tuple(map(_file_fingerprint, paths))


def _file_fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
