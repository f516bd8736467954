"""What the errors of OpenAI and of the servers that speak its API mean.

Sources: OpenAI's guide to error codes, Alibaba's, and the code of vLLM, SGLang, TGI, llama.cpp
and LiteLLM. The shapes are in ``error_body``, the words in ``error_words``.
"""

from __future__ import annotations

from http import HTTPStatus

from exporter.providers.error_body import ErrorObject, error_in
from exporter.providers.errors import reason_for
from exporter.providers.headers import delay_in_text, longest
from exporter.providers.presets import COMPATIBLE, Preset
from exporter.providers.wire import excerpt
from exporter.result import Failure


def explain(status: int, body: bytes, preset: Preset = COMPATIBLE) -> Failure | None:
    """The failure that an error body of OpenAI or of a compatible server describes.

    ``None`` where the status is 200 and the body holds no error.
    """
    error = error_in(body, status)
    if error is None and status == HTTPStatus.OK:
        return None
    return failure_of(error or ErrorObject(message=excerpt(body)), status, preset)


def told_of(data: bytes, status: int | None, preset: Preset = COMPATIBLE) -> Failure:
    """The failure that an event tells of which calls itself an error."""
    error = error_in(data, HTTPStatus.INTERNAL_SERVER_ERROR)
    return failure_of(error or excerpt(data), status, preset)


def failure_of(
    error: ErrorObject | str, status: int | None = None, preset: Preset = COMPATIBLE
) -> Failure:
    """The failure that one error object means; inside a stream there is no ``status``."""
    if isinstance(error, str):
        error = ErrorObject(message=error)
    if status is None or status == HTTPStatus.OK:
        status = error.http_status
    message = error.text or "the error has no message"
    reason = reason_for(
        error.words,
        message,
        status,
        by_code=preset.reason_by_code,
        by_status=preset.reason_by_status,
    )
    detail = f"{error.name}: {message}" if error.name else message
    delay = longest(*map(delay_in_text, error.retry_delays))
    return Failure(reason, detail, status, delay)
