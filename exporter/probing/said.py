"""What a provider said, on its way to people: searched for secrets, and not in the loop's time."""

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
"""So much is searched within a tenth of a millisecond; a hop to another thread takes as long."""


@cache
def _beside() -> ThreadPoolExecutor:
    """One thread: texts made to take long, some tens of milliseconds each, wait for each other."""
    return ThreadPoolExecutor(1, thread_name_prefix="secrets")


@dataclass(frozen=True, slots=True)
class Said:
    """The texts of one answer, as they came or as people may see them."""

    answer: str
    reasoning: str
    finish_reason: str | None
    served_model: str | None
    request_id: str | None
    detail: str
    """Why it failed; empty where it did not."""
    body: str = ""
    """What came instead of an answer."""

    async def presentable(self) -> Said:
        """As people may see it: cut, without secrets and control characters. Whatever the texts
        are, the loop goes on meanwhile."""
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
