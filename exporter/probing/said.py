"""What a provider said, made safe to show: secrets are removed, without blocking the loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

from exporter.settings.presentable import (
    MAX_DETAIL_CHARACTERS,
    presentable,
    shown_answer,
    shown_body,
)

_MAX_WORD_CHARACTERS = 256
_AT_ONCE_CHARACTERS = 128
"""Searching this much takes a tenth of a millisecond, as long as handing it to another thread."""


@cache
def _beside() -> ThreadPoolExecutor:
    """One thread. Texts designed to be slow take tens of milliseconds each, one after the other."""
    return ThreadPoolExecutor(1, thread_name_prefix="secrets")


@dataclass(frozen=True, slots=True)
class Said:
    """The texts of one answer, raw or as they may be shown."""

    answer: str
    reasoning: str
    finish_reason: str | None
    served_model: str | None
    request_id: str | None
    detail: str
    """Why it failed; empty if it didn't."""
    body: str = ""
    """What arrived instead of an answer."""

    async def presentable(self) -> Said:
        """As it may be shown: cut, without secrets and control characters. Long texts are searched
        in another thread, so that the loop goes on."""
        if self._characters() <= _AT_ONCE_CHARACTERS:
            return self._searched()
        return await asyncio.get_running_loop().run_in_executor(_beside(), self._searched)

    def _characters(self) -> int:
        words = (self.finish_reason, self.served_model, self.request_id)
        texts = (self.answer, self.reasoning, self.detail, self.body)
        return sum(map(len, texts)) + sum(len(word) for word in words if word)

    def _searched(self) -> Said:
        return Said(
            answer=shown_answer(self.answer),
            reasoning=shown_answer(self.reasoning),
            finish_reason=_word(self.finish_reason),
            served_model=_word(self.served_model),
            request_id=_word(self.request_id),
            detail=presentable(self.detail, MAX_DETAIL_CHARACTERS),
            body=shown_body(self.body),
        )


def _word(said: str | None) -> str | None:
    return presentable(said, _MAX_WORD_CHARACTERS) if said else None
