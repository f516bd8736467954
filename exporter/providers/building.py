"""Builds the models of JSON that a dialect reads, before the first answer comes.

pydantic builds a model when it is first used (see ``Wire``). For one dialect, this takes up to
10 ms, in which the event loop can't read any other answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from exporter.providers import error_body, google_errors, usage
from exporter.providers.base import Dialect
from exporter.providers.whole import InOnePiece
from exporter.providers.wire import Wire

SHARED = frozenset(module.__name__ for module in (error_body, google_errors, usage))
"""The modules whose models several dialects read."""


def build_models(dialects: Iterable[Dialect[Any]]) -> None:
    """Build all models that these dialects read. Models that are already built take no time.

    A dialect reads the models of its own module, of those of its base classes, and of ``SHARED``.
    """
    modules = SHARED.union(*map(_modules, dialects))
    for model in tuple(_below(Wire)):
        if model.__module__ in modules:
            model.model_rebuild()


def _modules(dialect: Dialect[Any]) -> frozenset[str]:
    own = frozenset(base.__module__ for base in type(dialect).__mro__)
    return own | _modules(dialect.general) if isinstance(dialect, InOnePiece) else own


def _below(model: type[Wire]) -> Iterator[type[Wire]]:
    for derived in model.__subclasses__():
        yield derived
        yield from _below(derived)
