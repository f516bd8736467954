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
    """What is in a regular file, up to this many bytes.

    :raises OSError: it cannot be read, or is no regular file; ``strerror`` says why.
    """
    check_regular(path)  # opening others may do something already
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
    """What is in a file that the configuration is made of.

    :raises ConfigError: it cannot be read, is no regular file, or is longer than ``max_bytes``.
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
    """Put this in place of what is in the file, so that a reader, or a crash, finds either the old
    or the new. A link to the file stays one.

    :raises OSError: it cannot be written, or is no regular file; ``strerror`` says why.
    """
    file = Path(os.path.realpath(path))
    with suppress(FileNotFoundError):
        check_regular(file)
    # The new file must be on the same file system as the old one: only the folder is sure.
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


def _must_be_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((words for is_kind, words in _KINDS if is_kind(mode)), "it is no regular file")
        raise OSError(None, kind, str(path))
