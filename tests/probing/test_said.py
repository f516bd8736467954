"""Responses are searched for secrets without blocking the loop."""

from __future__ import annotations

import asyncio

import pytest

from exporter.probing.said import Said
from exporter.settings.redaction import NOT_SHOWN, REDACTED, remember
from tests.chaos.costly import MADE_TO_LAST

KEY = "sk-in-whatever-was-said-0815"


def said(**texts: str) -> Said:
    nothing = {"answer": "", "reasoning": "", "detail": "", "body": ""}
    words = {"finish_reason": "", "served_model": "", "request_id": ""}
    return Said(**{**nothing, **words, **texts})


@pytest.mark.parametrize("field", Said.__slots__)
@pytest.mark.parametrize("around", ["{}", "x" * 150 + " {}"], ids=["short", "long"])
async def test_no_text_keeps_a_secret(field: str, around: str) -> None:
    remember(KEY)
    shown = getattr(await said(**{field: around.format(KEY)}).presentable(), field)
    assert REDACTED in shown
    assert KEY not in shown


async def test_the_loop_goes_on_meanwhile() -> None:
    remember(KEY)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    shown = await said(
        **dict.fromkeys(("answer", "reasoning", "detail"), MADE_TO_LAST)
    ).presentable()
    beside.cancel()
    assert turns
    assert shown.answer in (NOT_SHOWN, MADE_TO_LAST[: len(shown.answer)])
