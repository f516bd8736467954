"""Logging: JSON lines, or colours on a terminal; never a secret."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from exporter.result import ProbeResult
from exporter.settings.secret import redact

log = structlog.get_logger(__name__)

_SHARED: tuple[Processor, ...] = (
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure_logging(level: str = "info") -> None:
    """Send all logs, those of libraries too, to standard error.

    :param level: the name of a level of the standard library, in any case.
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
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(sys.stderr.isatty()),
                _redact_line,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("exporter").setLevel(level.upper())


def log_failure(result: ProbeResult) -> None:
    """One line for a failed probe, or for one that the exporter itself interrupted."""
    if result.interrupted:
        log.warning("probe interrupted by the exporter", target=result.target, probe=result.probe)
    elif failure := result.failure:
        log.warning(
            "probe failed",
            target=result.target,
            probe=result.probe,
            reason=failure.reason.value,
            detail=failure.detail,
            status=failure.status,
            request_id=result.request_id,
        )


def _renderers(terminal: bool) -> tuple[Processor, ...]:
    if terminal:
        # Pretty tracebacks would show local variables, and a secret cut by their borders.
        return (structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),)
    return (structlog.processors.format_exc_info, structlog.processors.JSONRenderer())


def _redact_line(_logger: WrappedLogger, _method: str, line: EventDict | str) -> str:
    """The last step, so that nothing that a message, a field or a traceback holds slips by."""
    return redact(str(line))
