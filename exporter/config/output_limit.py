"""The number of output tokens that a target's ``extra_body`` allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from pydantic import JsonValue

_LIMITS = frozenset(
    {"max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "maxTokens",
     "num_predict", "n_predict"}
)  # fmt: skip
"""The names of the limit in all dialects. Some are in an object, such as ``generationConfig``."""
_ANSWERS = frozenset({"n", "best_of", "candidateCount", "candidate_count"})
"""The names of the number of answers to one prompt. Each answer can have as many tokens."""
_MOST = 10_000_000
"""More than any request allows. Keeps decimal arithmetic within its limits."""


def most_output_tokens(max_output_tokens: int, extra_body: Mapping[str, JsonValue]) -> int:
    """Return the most output tokens of one request.

    A limit in ``extra_body`` that is lower than the probe's own doesn't count, because the request
    can contain both under different names.

    :param max_output_tokens: the probe's own limit; 0 if the model writes nothing.
    """
    limit = max([max_output_tokens, *_numbers(extra_body, _LIMITS)])
    answers = max([1, *_numbers(extra_body, _ANSWERS)])
    return min(limit * answers, _MOST) if max_output_tokens else 0


def removes_the_limit(extra_body: Mapping[str, JsonValue]) -> bool:
    """Whether a limit is null or negative, and no other limit replaces it."""
    named = any(name in _LIMITS for name, _ in _fields(extra_body))
    return named and max([0, *_numbers(extra_body, _LIMITS)]) == 0


def _numbers(extra_body: Mapping[str, JsonValue], names: Set[str]) -> Iterator[int]:
    return (
        value
        for name, value in _fields(extra_body)
        if name in names and isinstance(value, int) and not isinstance(value, bool)
    )


def _fields(extra_body: Mapping[str, JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    for name, value in extra_body.items():
        yield name, value
        if isinstance(value, Mapping):
            yield from _fields(value)
