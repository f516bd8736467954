"""What the errors of OpenAI and of the servers that speak its API mean.

Sources: OpenAI's guide to error codes, Alibaba's, and the code of vLLM, SGLang, TGI, llama.cpp
and LiteLLM, whose shapes are named where they are handled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from exporter.providers.errors import reason_for_status, says_not_ready
from exporter.providers.presets import COMPATIBLE, Preset
from exporter.providers.wire import HttpStatus, Wire, excerpt, parse_if
from exporter.result import Failure, FailureReason


def _plain(word: str) -> str:
    """A code as it is looked up: ``DataInspectionFailed`` and ``data_inspection_failed``, which
    one provider says on two of its APIs, are one word."""
    return re.sub(r"[^a-z0-9]", "", word.lower())


def _table(reasons: Mapping[FailureReason, str]) -> dict[str, FailureReason]:
    return {_plain(word): reason for reason, words in reasons.items() for word in words.split()}


_REASON_BY_CODE = _table(
    {
        # no_db_connection is LiteLLM's word for a key that is not its master key, where it has
        # no others.
        FailureReason.AUTH: "invalid_api_key authentication_error permission_error access_denied "
        "API_KEY_INVALID no_db_connection unsupported_country_region_territory",
        FailureReason.NOT_FOUND: "model_not_found DeploymentNotFound",
        # invalid_prompt is OpenAI's word for a prompt that was flagged, not for a malformed one.
        FailureReason.CONTENT_FILTER: "content_filter data_inspection_failed invalid_prompt "
        "bio_policy misalignment_policy_violation",
        FailureReason.RATE_LIMITED: "rate_limit_exceeded rate_limit_error slow_down "
        "limit_requests limit_burst_rate throttling_error RateLimitReached",
        FailureReason.QUOTA: "insufficient_quota credit_balance_exhausted billing_error "
        "organization_spend_limit_exceeded project_spend_limit_exceeded "
        "organization_usage_limit_exceeded budget_exceeded "
        "CommodityNotPurchased PrepaidBillOverdue PostpaidBillOverdue Arrearage",
        FailureReason.OVERLOADED: "server_is_overloaded overloaded overloaded_error "
        "capacity_exceeded",
    }
)
"""Words exact enough to overrule the HTTP status."""

_REASON_BY_TYPE = _table(
    {
        FailureReason.BAD_REQUEST: "invalid_request_error BadRequestError "
        "UnprocessableEntityError NotImplementedError exceed_context_size_error "
        "not_supported_error context_length_exceeded invalid_parameter_error validation "
        "unsupported_parameter unsupported_value data_residency_mismatch",
        FailureReason.NOT_FOUND: "not_found_error NotFoundError",
        FailureReason.OVERLOADED: "service_unavailable_error ServiceUnavailableError "
        "unavailable_error ModelUnavailable ModelServingError",
    }
)
"""Words that say less than an HTTP status, for errors inside a stream, which have none."""


_MAX_DETAILS = 32
_MAX_WORD_CHARACTERS = 256
_MAX_TEXT_CHARACTERS = 1 << 15
"""More than is ever shown of a message."""


def _as_text(value: object) -> object:
    """Codes and messages are not always texts; what is neither text nor number is passed over
    rather than the whole error with it."""
    return str(value)[:_MAX_TEXT_CHARACTERS] if isinstance(value, str | int | float) else None


def _as_list(value: object) -> object:
    """The first few objects of a list; more would take long and say nothing new."""
    if not isinstance(value, list):
        return []
    return [item for item in value[:_MAX_DETAILS] if isinstance(item, dict)]


_Text = Annotated[str | None, BeforeValidator(_as_text)]


class _ErrorDetail(Wire):
    reason: _Text = None


class ErrorObject(Wire):
    """The ``error`` member of a body or of an event."""

    message: _Text = None
    type: _Text = None
    code: _Text = None
    status: _Text = None  # Gemini: INVALID_ARGUMENT and the like
    details: Annotated[list[_ErrorDetail], BeforeValidator(_as_list)] = Field(default=[])  # Gemini
    http_status_code: HttpStatus = None  # TGI

    @property
    def http_status(self) -> int | None:
        """The HTTP status that an error inside a stream names: vLLM, SGLang, llama.cpp, LiteLLM
        and OpenRouter put it into ``code``."""
        if self.http_status_code:
            return self.http_status_code
        return int(self.code) if self.code and re.fullmatch(r"[45]\d\d", self.code) else None

    @property
    def words(self) -> Sequence[str]:
        """What it calls itself, the most exact word first; numbers are no words."""
        reasons = (detail.reason for detail in self.details)
        words = (*reasons, self.code, self.type, self.status)
        return [word for word in words if word and not word.isdigit()]


class FlatError(ErrorObject):
    """SGLang's error, which stands in no ``error`` member."""

    object: Literal["error"]


class _ErrorBody(Wire):
    error: ErrorObject | str = Field(union_mode="left_to_right")
    error_type: str | None = None  # TGI, whose ``error`` is a text

    def unified(self) -> ErrorObject:
        if isinstance(self.error, str):
            return ErrorObject(message=self.error, type=self.error_type)
        return self.error


def explain(status: int, body: bytes, preset: Preset = COMPATIBLE) -> Failure | None:
    """The failure that an error body of OpenAI or of a compatible server describes.

    ``None`` where the status is 200 and the body holds no error.
    """
    error = _error_in(unwrapped(body))
    if error is None and status == HTTPStatus.OK:
        return None
    return failure_of(error or ErrorObject(message=excerpt(body)), status, preset)


def failure_of(
    error: ErrorObject | str, status: int | None = None, preset: Preset = COMPATIBLE
) -> Failure:
    """The failure that one error object means; inside a stream there is no ``status``."""
    if isinstance(error, str):
        error = ErrorObject(message=error)
    if status is None or status == HTTPStatus.OK:
        status = error.http_status
    detail = ": ".join([*error.words[:1], error.message or "the error has no message"])
    return Failure(_reason(error, status, preset), detail, status)


def unwrapped(data: bytes) -> bytes:
    """The JSON object itself where it is the one item of a list, as Gemini sends some errors."""
    data = data.strip()
    return data[1:-1] if data.startswith(b"[") and data.endswith(b"]") else data


def _reason(error: ErrorObject, status: int | None, preset: Preset) -> FailureReason:
    words = [_plain(word[:_MAX_WORD_CHARACTERS]) for word in error.words]
    exact = {**_REASON_BY_CODE, **{_plain(c): r for c, r in preset.reason_by_code.items()}}
    if reason := _first(words, exact):
        return reason
    if status in (None, HTTPStatus.SERVICE_UNAVAILABLE) and says_not_ready(error.message or ""):
        return FailureReason.NOT_READY
    if status is not None:
        return preset.reason_by_status.get(status) or reason_for_status(status)
    return _first(words, _REASON_BY_TYPE) or FailureReason.SERVER_ERROR


def _first(words: Sequence[str], table: Mapping[str, FailureReason]) -> FailureReason | None:
    return next((table[word] for word in words if word in table), None)


def _error_in(body: bytes) -> ErrorObject | None:
    if wrapped := parse_if(_ErrorBody, body):
        return wrapped.unified()
    return parse_if(FlatError, body)
