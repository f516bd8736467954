"""Logging as JSON lines, or in color on a terminal. Every line is redacted."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from exporter.process.log_throttle import LogThrottle
from exporter.process.sentences import in_a_sentence
from exporter.result import ProbeResult
from exporter.settings.redaction import redact

log = structlog.get_logger(__name__)
_interrupted = LogThrottle()

_SHARED: tuple[Processor, ...] = (
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure_logging(level: str = "info", *, sentences: bool = False) -> None:
    """Send all logs, including those of libraries, to standard error.

    :param level: the name of a standard library level, in upper or lower case.
    :param sentences: write sentences for people, even if standard error is not a terminal.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(sys.stderr.isatty(), sentences),
                _redact_line,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("exporter").setLevel(level.upper())
    _log_crashes()


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's own name
        """Report an error in a log call. Python's own report would not be redacted."""
        if not isinstance(sys.exc_info()[1], OSError):  # then standard error is unusable
            self.stream.write(redact(f"cannot be logged: {traceback.format_exc()}"))


def _log_crashes() -> None:
    """Log uncaught exceptions, redacted, because a traceback can show a secret. Hooks that another
    program has set, such as a test runner, stay."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _crashed
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda it: _crashed(it.exc_type, it.exc_value, it.exc_traceback)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = lambda it: _crashed(it.exc_type, it.exc_value, it.exc_traceback)


def _crashed(
    kind: type[BaseException], error: BaseException | None, where: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error or kind(), where)
    else:
        log.critical("crashed", exc_info=(kind, error, where))


def log_failure(result: ProbeResult) -> None:
    """Log a failed probe. Probes that the exporter interrupted share one line a minute."""
    if result.interrupted:
        if times := _interrupted.times():
            log.warning(
                "probe interrupted by the exporter",
                target=result.target,
                probe=result.probe,
                why=result.failure and result.failure.detail,
                times=times,
            )
    elif failure := result.failure:
        log.warning(
            "probe failed",
            target=result.target,
            probe=result.probe,
            reason=failure.reason.value,
            detail=failure.message,
            status=failure.status,
            request_id=result.request_id,
        )


def _renderers(terminal: bool, sentences: bool) -> tuple[Processor, ...]:
    if sentences:
        return (structlog.processors.format_exc_info, in_a_sentence)
    if terminal:
        # Pretty tracebacks would show local variables, and break secrets across their borders.
        return (structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),)
    return (structlog.processors.format_exc_info, structlog.processors.JSONRenderer())


def _redact_line(_logger: WrappedLogger, _method: str, line: EventDict | str) -> str:
    """Redact the finished line: the last step covers messages, fields, and tracebacks alike."""
    return redact(str(line))
