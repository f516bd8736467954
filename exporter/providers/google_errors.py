"""What an error of Google's APIs means: google.rpc.Status, with ErrorInfo and RetryInfo in it."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import Field

from exporter.providers.errors import reason_for_status, says_not_ready
from exporter.providers.headers import finite
from exporter.providers.wire import CamelWire, Few, HttpStatus
from exporter.result import Failure, FailureReason

_REASON_BY_ERROR_INFO = {
    "API_KEY_INVALID": FailureReason.AUTH,  # with status 400
    "BILLING_DISABLED": FailureReason.QUOTA,
}
"""Words of google.rpc.ErrorInfo that overrule the code."""

_REASON_BY_STATUS_WORD = {
    "INVALID_ARGUMENT": FailureReason.BAD_REQUEST,
    "FAILED_PRECONDITION": FailureReason.BAD_REQUEST,
    "UNAUTHENTICATED": FailureReason.AUTH,
    "PERMISSION_DENIED": FailureReason.AUTH,
    "NOT_FOUND": FailureReason.NOT_FOUND,
    "RESOURCE_EXHAUSTED": FailureReason.RATE_LIMITED,
    "UNAVAILABLE": FailureReason.OVERLOADED,
}
"""For errors inside a stream that name no code."""


class _Detail(CamelWire):
    """One of google.rpc's messages about an error, known by its fields."""

    reason: str | None = None  # ErrorInfo
    retry_delay: str | None = None  # RetryInfo: "17s", "0.5s"


class GoogleError(CamelWire):
    """An error as Google's servers describe it."""

    code: HttpStatus = None
    message: str | None = None
    status: str | None = None
    details: Few[_Detail] = Field(default=[])

    def failure(self, status: int | None = None) -> Failure:
        """What the error means; inside a stream there is no HTTP ``status``, but a code."""
        if status is None or status == HTTPStatus.OK:
            status = self.code
        detail = self.message or "the error has no message"
        if self.status:
            detail = f"{self.status}: {detail}"
        return Failure(self._reason(status), detail, status, self._retry_after_seconds())

    def _reason(self, status: int | None) -> FailureReason:
        for detail in self.details:
            if detail.reason in _REASON_BY_ERROR_INFO:
                return _REASON_BY_ERROR_INFO[detail.reason]
        message = (self.message or "").lower()
        if status == HTTPStatus.BAD_REQUEST and "api key" in message:
            return FailureReason.AUTH  # "API key expired", should there be no ErrorInfo
        if status in (None, HTTPStatus.SERVICE_UNAVAILABLE) and says_not_ready(message):
            return FailureReason.NOT_READY
        if status is not None:
            return reason_for_status(status)
        return _REASON_BY_STATUS_WORD.get(self.status or "", FailureReason.SERVER_ERROR)

    def _retry_after_seconds(self) -> float | None:
        delays = (finite((detail.retry_delay or "").removesuffix("s")) for detail in self.details)
        return max((delay for delay in delays if delay is not None and delay >= 0), default=None)
