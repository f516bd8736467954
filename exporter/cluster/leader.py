"""Leader election with a Kubernetes Lease: only its holder probes.

Safety depends only on two inequalities, never on synchronized clocks. A leader measures the lease
duration from before it requests its renewal, and stops a margin before the end. A standby measures
it from when it first sees that renewal, which is later, and waits for the whole duration.
"""

from __future__ import annotations

import math
import socket
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from exporter.cluster.api import ApiError, JsonObject, KubernetesApi
from exporter.config.kubernetes import Kubernetes
from exporter.metrics import exporter_families as families
from exporter.metrics.series import Series

_MARGIN = 1 / 20
"""As a share of the lease duration. It covers the drift between two clocks, and the start of a
probe."""
_RENEWALS = 10
"""Per lease duration."""
_RETRIES = 30
"""Per lease duration, while the API server doesn't respond."""
_TIMEOUT = 1 / 8
"""The timeout of a request, as a share of the lease duration."""
_NOT_FOUND, _CONFLICT, _TOO_MANY_REQUESTS = 404, 409, 429

log = structlog.get_logger(__name__)


def _now() -> float:
    """Monotonic seconds, including the time that the machine sleeps if the platform counts it."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class LeaderElection:
    """Takes part in the election, in a separate thread, until ``stop``."""

    def __init__(self, settings: Kubernetes, on_change: Callable[[], None]) -> None:
        """
        :param on_change: called in that thread when ``leads`` might have changed.
        :raises ConfigError: the address of the API server or its CA is unknown.
        """
        self._api = KubernetesApi(settings)
        self._name = settings.lease
        group = "/apis/coordination.k8s.io/v1"
        self._path = f"{group}/namespaces/{self._api.namespace}/leases/{settings.lease}"
        self._duration = settings.lease_duration
        self._on_change = on_change
        # A restarted container has the same host name, so the name alone is not unique.
        self.identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        self._leads_until = 0.0
        self._led = False
        self._holder = ""
        self._seen: tuple[object, float] = (None, 0.0)
        self._last_success = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def leads(self) -> bool:
        """Whether this exporter can probe at this moment."""
        return _now() < self._leads_until

    @property
    def leader(self) -> str:
        """The host name of the latest known leader; empty if there was none."""
        return self._holder.rpartition("_")[0]

    def stop(self) -> None:
        """Stop leading, and release the lease so that another exporter can take over at once."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        if self.leads():
            self._leads_until = 0.0
            try:
                lease = self._get()
                if lease["spec"].get("holderIdentity") == self.identity:
                    self._put(lease, {**lease["spec"], "holderIdentity": ""})
            except ApiError as error:
                log.warning("could not release the lease, it will expire", error=str(error))

    def report(self, series: Series) -> None:
        """Set the metrics of the election."""
        series.gauge(families.LEADER, lease=self._name).set(self.leads())
        info = {"lease": self._name, "leader": self.leader}
        series.replace(families.LEADER_INFO, [(info, 1)] if self.leader else [])
        last = self._last_success
        series.gauge(families.KUBERNETES_LAST_SUCCESS, purpose="lease").set(last)

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause = self._duration / _RENEWALS
            try:
                self._take_part()
                self._last_success = time.time()
            except ApiError as error:
                if error.status != _CONFLICT:
                    pause = self._pause_after(error)
                    self._log_failure(error, pause)
            except Exception:
                log.exception("the Lease is invalid", lease=self._name)
            self._wait(pause)

    def _pause_after(self, error: ApiError) -> float:
        """As long as the API server asks, up to one lease duration. A leader that must wait longer
        loses its lease anyway."""
        busy = error.status == _TOO_MANY_REQUESTS
        ours = self._duration / (_RENEWALS if busy else _RETRIES)
        return max(ours, min(error.retry_after_seconds, self._duration))

    def _wait(self, seconds: float) -> None:
        """Reports the loss of leadership at the moment the lease runs out."""
        until = _now() + seconds
        self._report_change()
        while not self._stopping.is_set() and (left := until - _now()) > 0:
            leads_for = self._leads_until - _now()
            self._stopping.wait(min(left, leads_for) if leads_for > 0 else left)
            self._report_change()

    def _take_part(self) -> None:
        lease = self._get()
        if self._is_takeable(lease):
            asked = _now()
            self._put(lease, self._renewed(lease))
            self._leads_until = asked + self._duration * (1 - _MARGIN)
            self._holder = self.identity

    def _is_takeable(self, lease: JsonObject) -> bool:
        spec = lease.get("spec") or {}
        self._holder = spec.get("holderIdentity") or ""
        if self._holder != self.identity:
            self._leads_until = 0.0
        if self._seen[0] != spec:
            self._seen = (spec, _now())
        # The lease's own duration counts if it is longer: the holder's setting might differ.
        lasts = max(self._duration, spec.get("leaseDurationSeconds") or 0)
        ours = self._holder in ("", self.identity)
        return ours or _now() - self._seen[1] > lasts

    def _renewed(self, lease: JsonObject) -> JsonObject:
        spec = lease.get("spec") or {}
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        renewed = {
            **spec,
            "holderIdentity": self.identity,
            "leaseDurationSeconds": math.ceil(self._duration),
            "renewTime": now,
        }
        if spec.get("holderIdentity") != self.identity:
            transitions = (spec.get("leaseTransitions") or 0) + 1
            renewed |= {"acquireTime": now, "leaseTransitions": transitions}
        return renewed

    def _get(self) -> JsonObject:
        return self._api.request("GET", self._path, self._duration * _TIMEOUT)

    def _put(self, lease: JsonObject, spec: JsonObject) -> None:
        """Write the lease with the resource version that was read. If it has changed since, the
        API server returns a conflict."""
        body = {**lease, "spec": spec}
        self._api.request("PUT", self._path, self._duration * _TIMEOUT, body)

    def _log_failure(self, error: ApiError, pause: float) -> None:
        left = max(0.0, self._leads_until - _now())
        missing = "; create it with kubectl apply, from the exporter's manifests"
        log.warning(
            "could not get or renew the lease",
            lease=self._name,
            error=str(error) + (missing if error.status == _NOT_FOUND else ""),
            leads_for_seconds=round(left, 1),
            retry_seconds=round(pause, 1),
        )

    def _report_change(self) -> None:
        if self.leads() != self._led:
            self._led = not self._led
            log.info("became the leader" if self._led else "became a standby", leader=self.leader)
            self._on_change()
