"""The thread that pushes series."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

import structlog
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.resources import Resource

from exporter.config.push import Push
from exporter.metrics.push.otlp import as_otlp
from exporter.metrics.series import Exposed
from exporter.settings.secret import SecretError

_POINTS_AT_A_TIME = 5_000
"""How many points one request contains, because receivers limit the size of a body."""
_LAST_SECONDS = 5.0
"""How long the last push can take when the exporter stops."""

log = structlog.get_logger(__name__)


class Pusher:
    """Pushes all series at every interval, and once more when it stops.

    A failed push isn't repeated. The next one has newer values of the counters, and old values of
    gauges are of no use.
    """

    def __init__(self, settings: Push, everything: Callable[[], Iterable[Exposed]]) -> None:
        self._settings = settings
        self._everything = everything
        names = {"service.name": settings.job, "service.instance.id": settings.own_instance}
        self._resource = Resource(names)
        self._stopping = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="push", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait until the last push has succeeded or failed."""
        self._stopping.set()
        self._thread.join(_LAST_SECONDS + 1)

    def _run(self) -> None:
        due = time.monotonic() + self._settings.interval
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._settings.interval, time.monotonic())
            self._push(self._settings.timeout)
        self._push(min(_LAST_SECONDS, self._settings.timeout))

    def _push(self, timeout_seconds: float) -> None:
        try:
            arrived = self._arrives(timeout_seconds)
        except SecretError as error:
            self._tell("nothing is pushed", why=str(error))
        except Exception:
            log.exception("a push crashed")
        else:
            if not arrived:
                self._tell("pushes fail", to=self._settings.endpoint)
            elif self._failing:
                self._failing = False
                log.info("pushes succeed again", to=self._settings.endpoint)

    def _arrives(self, timeout_seconds: float) -> bool:
        settings = self._settings
        exporter = OTLPMetricExporter(
            endpoint=settings.endpoint,
            certificate_file=str(settings.ca_file) if settings.ca_file else None,
            headers=self._headers(),
            timeout=timeout_seconds,
            max_export_batch_size=_POINTS_AT_A_TIME,
        )
        try:
            result = exporter.export(as_otlp(self._everything(), self._resource))
        finally:
            exporter.shutdown()
        return result is MetricExportResult.SUCCESS

    def _headers(self) -> Mapping[str, str]:
        """Return the headers. They are read for every push, because a file with a token can
        change."""
        return {
            name: value if isinstance(value, str) else value.read()
            for name, value in self._settings.headers.items()
        }

    def _tell(self, what: str, **details: str) -> None:
        """Log a failure once, and not at every interval."""
        if not self._failing:
            self._failing = True
            log.error(what, **details)
