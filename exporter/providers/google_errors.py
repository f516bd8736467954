"""Errors of Google's APIs: google.rpc.Status with ErrorInfo and RetryInfo."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from exporter.providers.error_body import Text, as_list, http_status
from exporter.providers.errors import reason_for
from exporter.providers.headers import delay_in_text, longest
from exporter.providers.wire import CamelWire
from exporter.result import Failure, FailureReason


class _Detail(CamelWire):
    """One of google.rpc's error details, identified by its fields."""

    reason: Text = None  # ErrorInfo
    retry_delay: Text = None  # RetryInfo: "17s", "0.5s"


class GoogleError(CamelWire):
    """An error in Google's format."""

    code: Text = None  # an HTTP status, or a word in the Interactions API
    message: Text = None
    status: Text = None
    details: Annotated[list[_Detail], BeforeValidator(as_list)] = Field(default=[])

    @model_validator(mode="before")
    @classmethod
    def _worded(cls, value: object) -> object:
        """Accept a string, which gateways send instead of Google's object."""
        return {"message": value} if isinstance(value, str) else value

    def failure(self, status: int | None = None) -> Failure:
        """Return the failure. Errors in a stream have no HTTP ``status``, but a code."""
        if status is None or status == HTTPStatus.OK:
            status = http_status(self.code)
        detail = self.message or "the error has no message"
        if name := self.status or self._word:
            detail = f"{name}: {detail}"
        return Failure(self._reason(status), detail, status, self._retry_after_seconds())

    @property
    def is_googles(self) -> bool:
        """Whether the error has a field that only Google sends. Otherwise it comes from a
        gateway."""
        return bool(self.status or self.details or http_status(self.code))

    @property
    def _word(self) -> str | None:
        return self.code if self.code and not self.code.isdigit() else None

    def _reason(self, status: int | None) -> FailureReason:
        message = self.message or ""
        if status == HTTPStatus.BAD_REQUEST and "api key" in message.lower():
            return FailureReason.AUTH  # "API key expired" without an ErrorInfo
        reasons = (detail.reason for detail in self.details)
        return reason_for(filter(None, (*reasons, self._word, self.status)), message, status)

    def _retry_after_seconds(self) -> float | None:
        delays = (delay_in_text(detail.retry_delay or "") for detail in self.details)
        return longest(*delays)
