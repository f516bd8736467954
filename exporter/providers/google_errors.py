"""What an error of Google's APIs means: google.rpc.Status, with ErrorInfo and RetryInfo in it."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import Field

from exporter.providers.error_body import Text
from exporter.providers.errors import reason_for
from exporter.providers.headers import delay_in_text, longest
from exporter.providers.wire import CamelWire, Few, HttpStatus
from exporter.result import Failure, FailureReason


class _Detail(CamelWire):
    """One of google.rpc's messages about an error, known by its fields."""

    reason: Text = None  # ErrorInfo
    retry_delay: Text = None  # RetryInfo: "17s", "0.5s"


class GoogleError(CamelWire):
    """An error as Google's servers describe it."""

    code: HttpStatus = None
    message: Text = None
    status: Text = None
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
        message = self.message or ""
        if status == HTTPStatus.BAD_REQUEST and "api key" in message.lower():
            return FailureReason.AUTH  # "API key expired", should there be no ErrorInfo
        reasons = (detail.reason for detail in self.details)
        return reason_for(filter(None, (*reasons, self.status)), message, status)

    def _retry_after_seconds(self) -> float | None:
        delays = (delay_in_text(detail.retry_delay or "") for detail in self.details)
        return longest(*delays)
