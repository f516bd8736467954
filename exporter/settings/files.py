"""Reads regular files only, and only up to a maximum size.

A named pipe might have no writer, and a device might never end: reading either would block
forever.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from exporter.settings.mistakes import ConfigError, Mistake

_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "Is a directory"),
    (stat.S_ISFIFO, "it is a named pipe, not a regular file"),
    (stat.S_ISSOCK, "it is a socket, not a regular file"),
    (stat.S_ISCHR, "it is a device, not a regular file"),
    (stat.S_ISBLK, "it is a device, not a regular file"),
)


def regular_bytes(path: Path, max_bytes: int) -> bytes:
    """Read a regular file, up to this many bytes.

    :raises OSError: the file can't be read or isn't a regular file; ``strerror`` has the reason.
    """
    check_regular(path)  # opening a pipe or a device can have side effects
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as file:
        _must_be_regular(path, os.fstat(descriptor).st_mode)
        return file.read(max_bytes)


def check_regular(path: Path) -> None:
    """Check a file before passing it to code that reads any kind of file.

    :raises OSError: as in ``regular_bytes``.
    """
    _must_be_regular(path, path.stat().st_mode)


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """Read a file of the configuration.

    :raises ConfigError: the file can't be read, isn't a regular file, or is longer than
        ``max_bytes``.
    """
    try:
        content = regular_bytes(path, max_bytes + 1)
    except FileNotFoundError:
        raise ConfigError([Mistake("there is no such file; check the path", path)]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError([Mistake(f"cannot be read: {reason}", path)]) from None
    if len(content) > max_bytes:
        message = f"is longer than {max_bytes >> 20} MiB; split it"
        raise ConfigError([Mistake(message, path)])
    return content


def replace_bytes(path: Path, content: bytes) -> None:
    """Replace the content of a file atomically, even if the process crashes.

    Readers see either the old or the new content. A symbolic link stays a link.

    :raises OSError: the file can't be written or isn't a regular file; ``strerror`` has the reason.
    """
    file = Path(os.path.realpath(path))
    with suppress(FileNotFoundError):
        check_regular(file)
    # A rename is atomic only within a file system, so the new file must be in the same folder.
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        Path(name).replace(file)
    except OSError:
        with suppress(OSError):
            Path(name).unlink()
        raise


def set_aside(path: Path) -> Path:
    """Append ``.broken`` to the name of a file with unexpected content, so that nobody overwrites
    it.

    Returns its new path, or the old one if it can't be renamed.
    """
    aside = path.with_name(f"{path.name}.broken")
    try:
        return path.replace(aside)
    except OSError:
        return path


def _must_be_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((words for is_kind, words in _KINDS if is_kind(mode)), "not a regular file")
        raise OSError(None, kind, str(path))
