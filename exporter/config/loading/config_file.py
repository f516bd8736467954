"""Loads the configuration from YAML files and variables.

If there are errors, it reports all of them at once, with file, line and key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from glob import iglob
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError

from exporter.config.loading import deprecated
from exporter.config.loading.deprecated import outdated, renewed
from exporter.config.loading.origins import Origins
from exporter.config.loading.variables import (
    deep_variables,
    overrides,
    set_variables,
    unknown_variables,
    useless_variables,
)
from exporter.config.root import Config, name_mistakes
from exporter.kinds.chat import DEFAULT_PROBES
from exporter.settings.explain import mistakes_in
from exporter.settings.files import read_bytes
from exporter.settings.mistakes import ConfigError, Mistake
from exporter.settings.paths import folder_of
from exporter.settings.prompts import MAX_FILE_BYTES
from exporter.settings.types import Located
from exporter.settings.yaml_lines import Document, parse_document, read_document

__all__ = ["ConfigError", "Mistake", "checked", "fingerprint", "load", "watched_files"]

log = structlog.get_logger(__name__)


def load(path: Path) -> Config:
    """Load a configuration file, its target files and the variables that override it. Log warnings.

    :raises ConfigError: the configuration has errors. It contains all of them.
    """
    config, warnings = checked(path)
    for warning in warnings:
        log.warning("the configuration has a warning", where=str(warning))
    return config


def checked(path: Path) -> tuple[Config, list[Mistake]]:
    """Load a configuration, and return its warnings: deprecated keys, and patterns of target files
    that match none. They are no errors, because the files can come later.

    :raises ConfigError: as in ``load``.
    """
    values, origins, mistakes = _gathered(path)
    config, found = _validate(renewed(values, deprecated.RENAMED), origins)
    if config is None or mistakes or found:
        raise ConfigError(_in_order(path, [*mistakes, *found]))
    return config, [*_warnings(values, origins)]


def _warnings(values: Mapping[str, Any], origins: Origins) -> Iterator[Mistake]:
    for at, one in outdated(values, deprecated.RENAMED):
        yield origins.mistake(at, one.warning(at))
    for number, pattern in enumerate(_list(values.get("target_files"))):
        if isinstance(pattern, str) and not any(_matching(pattern)):
            yield origins.mistake(("target_files", number), f"no file matches {pattern!r} yet")


def _gathered(path: Path) -> tuple[dict[str, Any], Origins, list[Mistake]]:
    """Combine the file, its target files and the variables; return the errors found so far too."""
    main = read_document(path)
    if not isinstance(main.value, dict):
        what = "is empty" if main.value is None else "must be a mapping of keys to values"
        raise ConfigError([Mistake(f"{what}; begin with targets:", path, 1)])
    values = _merged(main.value, overrides())
    files, mistakes = _read_target_files(values.get("target_files"), path)
    variables = set_variables()
    mistakes += [*main.mistakes, *unknown_variables(variables), *deep_variables(variables)]
    mistakes += useless_variables(variables, values)
    mistakes += [mistake for file in files for mistake in file.mistakes]
    origins = Origins(main, variables, values, len(_list(values.get("targets"))), files)
    if isinstance(values.setdefault("targets", []), list):
        values["targets"] = [*values["targets"], *origins.targets_of_files()]
    return values, origins, mistakes


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Override the values of the file by the variables.

    A list or a scalar where the variables have a mapping stays; ``useless_variables`` reports it.
    """
    result = dict(base)
    for key, value in over.items():
        if not isinstance(value, dict) or key not in base:
            result[key] = value
        elif isinstance(base[key], dict):
            result[key] = _merged(base[key], value)
    return result


def _read_target_files(patterns: object, main: Path) -> tuple[list[Document], list[Mistake]]:
    files: list[Document] = []
    mistakes: list[Mistake] = []
    for path in _target_files(patterns, main):
        try:
            file = read_document(path)
        except ConfigError as error:
            mistakes += error.mistakes
            continue
        if isinstance(file.value, list):
            files.append(file)
        else:
            message = "must be a list of targets; write [] for none"
            mistakes.append(Mistake(message, path, 1))
    return files, mistakes


def _target_files(patterns: object, main: Path) -> list[Path]:
    """Return the matching files, each once, in the order of the patterns and then by name."""
    found: dict[Path, Path] = {}
    for pattern in _list(patterns):
        if isinstance(pattern, str):
            for path in _matching(pattern):
                found.setdefault(path.resolve(), path)
    return list(found.values())


def _matching(pattern: str) -> Iterator[Path]:
    folder = folder_of(pattern)
    # Path.glob doesn't support absolute patterns.
    names = iglob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207
    for name in sorted(names) if pattern else ():
        path = folder / name
        # Reading reports special files, such as pipes, as errors.
        if path.exists() and not path.is_dir():
            yield path


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _validate(values: dict[str, Any], origins: Origins) -> tuple[Config | None, list[Mistake]]:
    try:
        return Config.model_validate(values), []
    except ValidationError as error:
        mistakes = mistakes_in(error, Config, origins)
    # Models check names only if everything else is valid, but all errors must be reported.
    mistakes += [origins.mistake(at, str(wrong)) for at, wrong in _names_in(values)]
    return None, mistakes


def _names_in(values: Mapping[str, Any]) -> Iterator[Located]:
    """Yield errors in names, even if the values have other errors."""
    probes = values.get("probes", DEFAULT_PROBES)
    asked = [_name_and_probes(target) for target in _list(values.get("targets"))]
    if isinstance(probes, dict):
        yield from name_mistakes(asked, probes)


def _name_and_probes(target: object) -> tuple[str | None, list[str]]:
    if not isinstance(target, dict):
        return None, []
    name, probes = target.get("name"), _list(target.get("probes"))
    texts_only = all(isinstance(probe, str) for probe in probes)
    return name if isinstance(name, str) else None, probes if texts_only else []


def _in_order(main: Path, mistakes: Iterable[Mistake]) -> list[Mistake]:
    """Sort errors: the main file first, each file by line, variables last. Remove duplicates."""
    once: dict[tuple[Path | None, int | None, str], Mistake] = {}
    for mistake in mistakes:
        once.setdefault((mistake.file, mistake.line, mistake.key), mistake)
    return sorted(
        once.values(),
        key=lambda m: (m.file is None, m.file != main, str(m.file), m.line or 0),
    )


def watched_files(path: Path) -> tuple[Path, ...]:
    """Return every file of a configuration, as it is now.

    These are the main file, matching target files, prompts files, images, and the price file.
    Secrets and certificates aren't included, because they are read again for every use.
    """
    try:
        value = _parsed(path, read_bytes(path, MAX_FILE_BYTES)).value
    except ConfigError:
        return (path,)
    values = _merged(value if isinstance(value, dict) else {}, overrides())
    named = (*_files_of_probes(values), values.get("prices_file"))
    files = (folder_of(file) / file for file in named if isinstance(file, str))
    return (path, *_target_files(values.get("target_files"), path), *files)


@lru_cache(maxsize=4)
def _parsed(path: Path, content: bytes) -> Document:
    """Cache documents: watchers need them every few seconds, and parsing is slower than reading."""
    return parse_document(path, content)


def _files_of_probes(values: Mapping[str, Any]) -> Iterator[object]:
    probes = values.get("probes")
    for probe in probes.values() if isinstance(probes, dict) else ():
        if isinstance(probe, dict):
            yield probe.get("prompts_file")
            if probe.get("image") != "code":  # which is generated
                yield probe.get("image")


def fingerprint(path: Path) -> str:
    """Return a digest of the names and contents of all files of a configuration.

    Poll it to detect changes. File notifications of the kernel miss network file systems and the
    symbolic links that Kubernetes swaps.
    """
    digest = sha256()
    for file in watched_files(path):
        digest.update(sha256(str(file).encode()).digest())
        digest.update(_content_digest(file))
    return digest.hexdigest()


def _content_digest(file: Path) -> bytes:
    try:
        return sha256(read_bytes(file, MAX_FILE_BYTES)).digest()
    except ConfigError as error:
        return sha256(str(error).encode()).digest()
