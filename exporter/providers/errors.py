"""What an HTTP status means, where a provider's body says nothing more exact."""

from __future__ import annotations

from exporter.result import FailureReason

_BY_STATUS = {
    400: FailureReason.BAD_REQUEST,
    401: FailureReason.AUTH,
    402: FailureReason.QUOTA,
    403: FailureReason.AUTH,
    404: FailureReason.NOT_FOUND,
    405: FailureReason.NOT_FOUND,
    408: FailureReason.SERVER_ERROR,
    412: FailureReason.QUOTA,  # Fireworks: the account is suspended
    413: FailureReason.BAD_REQUEST,
    422: FailureReason.BAD_REQUEST,
    424: FailureReason.SERVER_ERROR,  # TGI, Bedrock: the model failed
    429: FailureReason.RATE_LIMITED,
    450: FailureReason.OVERLOADED,  # Alibaba PAI-EAS: the queue is full
    498: FailureReason.OVERLOADED,  # Groq: capacity_exceeded
    499: FailureReason.SERVER_ERROR,  # Google, Ollama: cancelled, though not by this client
    501: FailureReason.BAD_REQUEST,
    503: FailureReason.OVERLOADED,
    529: FailureReason.OVERLOADED,  # Anthropic: overloaded_error
}

TELLING_CHARACTERS = 1 << 12
"""An error text says within so many what it is about; a megabyte takes milliseconds to look at."""
_LOADING_PHRASES = ("loading model", "model is loading", "is loading", "not ready", "starting up")


def reason_for_status(status: int) -> FailureReason:
    """The failure reason of a bare status.

    A status below 400 is a failure too when it is asked about here: redirects are not followed.
    """
    if 500 <= status <= 599:
        return _BY_STATUS.get(status, FailureReason.SERVER_ERROR)
    return _BY_STATUS.get(status, FailureReason.UNEXPECTED_STATUS)


def says_not_ready(message: str) -> bool:
    """Whether an error text says that the model is still being loaded (llama.cpp: "Loading
    model"; the wording of others varies)."""
    lowered = message[:TELLING_CHARACTERS].lower()
    return any(phrase in lowered for phrase in _LOADING_PHRASES)
