"""Errors of OpenAI and of the servers that are compatible with its API.

Sources: OpenAI's and Alibaba's guides to error codes, and the code of vLLM, SGLang, TGI, llama.cpp,
and LiteLLM. ``error_body`` has the formats, ``error_words`` the codes,
``error_phrases`` the phrases.
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
    """Return the failure that an error body of OpenAI or of a compatible server describes.

    Return ``None`` if the status is 200 and the body contains no error.
    """
    error = error_in(body, status)
    if error is None and status == HTTPStatus.OK:
        return None
    return failure_of(error or ErrorObject(message=excerpt(body)), status, preset)


def failure_in_event(data: bytes, status: int | None, preset: Preset = COMPATIBLE) -> Failure:
    """Return the failure that a stream event named ``error`` describes."""
    error = error_in(data, HTTPStatus.INTERNAL_SERVER_ERROR)
    return failure_of(error or excerpt(data), status, preset)


def failure_of(
    error: ErrorObject | str, status: int | None = None, preset: Preset = COMPATIBLE
) -> Failure:
    """Return the failure that one error object describes. Errors in a stream have no ``status``."""
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
