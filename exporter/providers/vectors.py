"""The vectors of an answer, with size limits, because a hostile list would take long to parse."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import Field, FiniteFloat

from exporter.providers.whole import MAX_PARTS

MAX_NUMBERS = MAX_PARTS // 2
"""The most numbers in all vectors together. 31 vectors with 1,536 dimensions fit, because brackets
count too."""
_MAX_TEXTS = 1_000
_MAX_DIMENSIONS = 65_536

T = TypeVar("T")
OfEachText = Annotated[list[T], Field(max_length=_MAX_TEXTS, fail_fast=True)]
_Number = Annotated[FiniteFloat, Field(strict=True)]
"""Strict, because strings that look like numbers would take long to parse."""
Vector = Annotated[tuple[_Number, ...], Field(max_length=_MAX_DIMENSIONS, fail_fast=True)]
