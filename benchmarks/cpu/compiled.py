"""The lower limit for reading streamed answers: a client in C, compiled on demand."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

_SOURCES = Path(__file__).with_name("client")
_BUILT = Path(__file__).parents[2] / "build" / "cpu" / "client"


def compiler() -> str | None:
    """Return the path of a C compiler; ``None`` if there is none."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def client() -> Path | None:
    """Return the client, compiled again if its sources are newer; ``None`` without a compiler.

    The comment at the top of ``client.c`` describes its usage.
    """
    program = compiler()
    if program is None:
        return None
    sources = sorted(_SOURCES.glob("*.[ch]"))
    if _BUILT.exists() and all(it.stat().st_mtime < _BUILT.stat().st_mtime for it in sources):
        return _BUILT
    _BUILT.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_BUILT.parent) as folder:
        fresh = Path(folder, "client")  # replaced atomically: another process may be compiling too
        files = [it for it in sources if it.suffix == ".c"]
        flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
        subprocess.run([program, *flags, "-o", fresh, *files], check=True)
        return fresh.rename(_BUILT)
