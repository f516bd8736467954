"""The many formats in which servers and gateways describe an error.

All of them become one ``ErrorObject``. Comments name the server that uses a format.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, ConfigDict, Field

from exporter.providers.wire import HttpStatus, Wire, parse_if, read_if

_MAX_ITEMS = 32
_MAX_LINES_BYTES = 1 << 14
_FIRST_LINE = re.compile(rb"(?:\A|[\r\n])(?:(?:data|error):([^\r\n]*+)|(?=[{\[]))")
"""The first line that is data (group 1 is its value) or that starts a JSON text."""
_MAX_TEXT = 1 << 15
"""More than is ever shown of a message."""


def as_text(value: object) -> object:
    """Convert a code or message to text, because it isn't always a string.

    Ignore values that are neither a string nor a number, so that the rest of the error stays
    usable.
    """
    if isinstance(value, bool):
        return None
    return str(value)[:_MAX_TEXT] if isinstance(value, str | int | float) else None


def as_list(value: object) -> object:
    """Convert to a list. Anthropic and Azure send one object where Google sends a list."""
    items = [value] if isinstance(value, dict) else value
    if not isinstance(items, list):
        return []
    return [item for item in items[:_MAX_ITEMS] if isinstance(item, dict)]


def _as_detail(value: object) -> object:
    """Return the text of FastAPI's ``detail``: a string, or a list of objects with a ``msg``.

    Mistral sends it inside the message.
    """
    if isinstance(value, dict):
        value = value.get("detail") or value.get("message") or value.get("error")
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return as_text(_located(value[0]))
    return as_text(value)


def _located(detail: dict[str, object]) -> object:
    """Return a detail's ``msg`` after the name of the field that it's about."""
    where, what = detail.get("loc"), detail.get("msg")
    parts = [str(part) for part in where[:_MAX_ITEMS]] if isinstance(where, list) else []
    return ": ".join((".".join(parts), what)) if parts and isinstance(what, str) else what


Text = Annotated[str | None, BeforeValidator(as_text)]


def http_status(code: str | None) -> int | None:
    """Return the HTTP status that a code represents, or ``None`` if it isn't an error status."""
    return int(code) if code and re.fullmatch(r"[45]\d\d", code) else None


class _Detail(Wire):
    reason: Text = None  # google.rpc.ErrorInfo
    error_code: Text = None  # Anthropic
    code: Text = None  # Azure's innererror
    retry_delay: Text = Field(None, alias="retryDelay")  # google.rpc.RetryInfo


class _Metadata(Wire):
    raw: Text = None  # OpenRouter: the upstream server's own error


def _as_metadata(value: object) -> object:
    return value if isinstance(value, dict) else None


Details = Annotated[list[_Detail], BeforeValidator(as_list)]


class ErrorObject(Wire):
    """The ``error`` member of a body or of an event."""

    model_config = ConfigDict(validate_by_name=True)

    message: Annotated[str | None, BeforeValidator(_as_detail)] = Field(
        None,
        validation_alias=AliasChoices("message", "msg", "error_msg", "error_message", "Message"),
    )
    type: Text = None
    code: Text = Field(None, validation_alias=AliasChoices("code", "error_code", "__type"))
    status: Text = None  # Google: INVALID_ARGUMENT and so on
    details: Details = Field(default=[])  # Google, Anthropic
    innererror: Details = Field(default=[])  # Azure
    metadata: Annotated[_Metadata | None, BeforeValidator(_as_metadata)] = None
    http_status_code: HttpStatus = None  # TGI

    @property
    def http_status(self) -> int | None:
        """The HTTP status of an error in a stream. vLLM, SGLang, llama.cpp, LiteLLM, and OpenRouter
        send it as ``code``."""
        return self.http_status_code or http_status(self.code)

    @property
    def words(self) -> Sequence[str]:
        """The error's codes and types, most exact first, without numbers."""
        inner = (word for item in self.innererror for word in (item.code, item.reason))
        exact = (word for item in self.details for word in (item.reason, item.error_code))
        words = (*inner, *exact, self.code, self.type, self.status)
        return [word for word in words if word and not word.isdigit()]

    @property
    def name(self) -> str | None:
        """The name that people know the error by."""
        named = (word for word in (self.code, self.type, self.status) if word)
        # LiteLLM sends the word None for nothing.
        return next((word for word in named if not word.isdigit() and word != "None"), None)

    @property
    def text(self) -> str | None:
        """The message, including the upstream server's own error behind a gateway."""
        raw = self.metadata and self.metadata.raw
        return f"{self.message}: {raw}" if self.message and raw else self.message or raw or None

    @property
    def retry_delays(self) -> Sequence[str]:
        """The delays in Google's RetryInfo: ``17s``, ``0.5s``."""
        return [item.retry_delay for item in self.details if item.retry_delay]


def _as_error(value: object) -> object:
    """Return the error as an object or text.

    Cloudflare's gateway sends a list of errors. Others send a bare string or number. Values that
    are false in JavaScript mean no error.
    """
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        return value
    return as_text(value) if value else None


ErrorMember = Annotated[ErrorObject | str | None, BeforeValidator(_as_error)]


class _Status(Wire):
    status_code: int = 0
    status_msg: Text = None


class _Body(Wire):
    """All the places where a body can contain an error."""

    error: ErrorMember = None
    errors: ErrorMember = None
    error_type: Text = None  # TGI, whose ``error`` is a string
    code: Text = None  # xAI, whose ``error`` is a string too
    object: Text = None
    type: Text = None
    success: Annotated[bool | None, BeforeValidator(lambda v: v if v is False else None)] = None
    base_resp: Annotated[_Status | None, BeforeValidator(_as_metadata)] = None  # MiniMax

    @property
    def wrapped(self) -> ErrorObject | None:
        """The error from one of the error members."""
        error = self.error if self.error is not None else self.errors
        if isinstance(error, ErrorObject):
            return error
        if error is not None:
            return ErrorObject(message=error, type=self.error_type, code=self.code)
        if self.base_resp and self.base_resp.status_code:
            code = f"base_resp_{self.base_resp.status_code}"
            return ErrorObject(message=self.base_resp.status_msg, code=code)
        return None


class _Flat(ErrorObject):
    """An error that is the body itself."""

    detail: Annotated[str | None, BeforeValidator(_as_detail)] = None  # FastAPI
    title: Text = None  # NVIDIA's API, RFC 9457
    status_code: Text = Field(None, alias="statusCode")  # Azure API Management
    success: object = None
    choices: object = None
    output: object = None

    def unified(self) -> ErrorObject | None:
        texts = [text for text in (self.title, self.message, self.detail) if text]
        if not texts:
            return None
        status = http_status(self.code or self.status_code or self.status)
        return self.model_copy(update={"message": ": ".join(texts), "http_status_code": status})

    @property
    def is_certain(self) -> bool:
        """Whether this can only be an error. With status 200, an answer can have a message too."""
        if self.choices or self.output:
            return False
        named = self.code not in (None, "", "0", "200")
        return named or self.success is False or bool(http_status(self.status_code or self.status))


def error_in(body: bytes, status: int | None = None) -> ErrorObject | None:
    """Return the error in a body.

    ``status`` is ``None`` for an event of a stream. There, and with status 200, only an unambiguous
    error counts.
    """
    body = unwrapped(_json_in(body))
    whole = parse_if(_Body, body)
    if whole is None:
        return None
    if whole.wrapped:
        return whole.wrapped
    flat = read_if(_Flat, body)
    error = flat and flat.unified()
    if flat is None or error is None:
        marked = whole.object == "error"  # SGLang
        return ErrorObject() if marked else None
    if status in (None, HTTPStatus.OK):
        marked = whole.object == "error" or whole.type == "error"
        return error if marked or flat.is_certain else None
    return error


def _json_in(body: bytes) -> bytes:
    """Return the JSON in a body that starts with comments, or that is an event outside a stream."""
    if body.lstrip()[:1] in (b"{", b"["):
        return body
    found = _FIRST_LINE.search(body[:_MAX_LINES_BYTES])
    if found is None:
        return body
    value = found[1]
    return body[found.end() :] if value is None else value


def unwrapped(data: bytes) -> bytes:
    """Return the only item of a list, because Gemini wraps some errors in one."""
    data = data.strip()
    return data[1:-1] if data.startswith(b"[") and data.endswith(b"]") else data
