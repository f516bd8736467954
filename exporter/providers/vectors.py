"""The vectors of an answer, and how many of them there may be: a hostile list would take long to
read."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import Field, FiniteFloat

from exporter.providers.whole import MAX_PARTS

MAX_NUMBERS = MAX_PARTS // 2
"""Of all vectors together: those of 31 with 1,536 dimensions, since brackets count as well."""
_MAX_TEXTS = 1_000
_MAX_DIMENSIONS = 65_536

T = TypeVar("T")
OfEachText = Annotated[list[T], Field(max_length=_MAX_TEXTS, fail_fast=True)]
_Number = Annotated[FiniteFloat, Field(strict=True)]
"""A text that looks like one would take long to read."""
Vector = Annotated[tuple[_Number, ...], Field(max_length=_MAX_DIMENSIONS, fail_fast=True)]
