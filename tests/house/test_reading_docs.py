"""The page about reading the wire has every row of the dialects' tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.providers.endings import FAILED_ENDINGS
from exporter.providers.error_phrases import PHRASES
from exporter.providers.error_words import CODES, TYPES, Words

PAGE = (Path(__file__).parents[2] / "docs/providers/reading.md").read_text()


@pytest.mark.parametrize("row", [*FAILED_ENDINGS, *CODES, *TYPES], ids=lambda row: row.words[:40])
def test_every_word_is_documented_with_where_it_was_seen(row: Words) -> None:
    words = ", ".join(f"`{word}`" for word in row.words.split())
    assert f"| `{row.reason}` | {words} | {row.seen} |" in PAGE


@pytest.mark.parametrize("row", [row for group in PHRASES for row in group.rows])
def test_every_phrase_is_documented_with_where_it_was_seen(row: Words) -> None:
    phrases = ", ".join(f'"{phrase}"' for phrase in row.words.split("|"))
    assert f"| `{row.reason}` | {phrases} | {row.seen} |" in PAGE
