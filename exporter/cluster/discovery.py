"""Discovers targets in a Kubernetes cluster: pods or services with certain labels.

Each selector has its own thread, which lists the matching objects and then watches them. While the
API server is unreachable, all targets stay: an outage of the API server must not remove a running
target.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import structlog
from pydantic import ValidationError

from exporter.cluster.api import ApiError, JsonObject, KubernetesApi
from exporter.config.kubernetes import Kubernetes, KubernetesDiscovery, Role
from exporter.config.root import Config
from exporter.config.target import Target
from exporter.config.target_template import Found, render
from exporter.metrics import exporter_families as families
from exporter.metrics.series import Series
from exporter.settings.explain import mistakes_in

_FIRST_ANSWER_SECONDS = 2.0
"""How long a new configuration waits for the first list, so that it doesn't start without
targets."""
_GONE, _TOO_MANY_REQUESTS = 410, 429
_RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
_MAX_RETRY_AFTER_SECONDS = 300.0
_ENDED = ("Succeeded", "Failed")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The parts of a pod or service that determine its target."""

    namespace: str
    name: str
    address: str
    ports: tuple[tuple[str, int], ...]
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]

    def with_port(self, port: int | str) -> Found | None:
        """This object with one of its ports; ``None`` if it has no port with this name."""
        number = port if isinstance(port, int) else dict(self.ports).get(port)
        if number is None:
            return None
        labels, annotations = dict(self.labels), dict(self.annotations)
        return Found(self.namespace, self.name, self.address, number, labels, annotations)


def _of_pod(pod: JsonObject) -> _Seen | None:
    """``None`` for a pod that has no address yet, has ended, or is terminating."""
    status, spec = pod.get("status", {}), pod.get("spec", {})
    address = status.get("podIP")
    going = pod["metadata"].get("deletionTimestamp") or status.get("phase") in _ENDED
    if not address or going:
        return None
    containers = [*spec.get("initContainers", ()), *spec.get("containers", ())]
    ports = (port for container in containers for port in container.get("ports", ()))
    return _seen(pod, f"[{address}]" if ":" in address else address, ports, "containerPort")


def _of_service(service: JsonObject) -> _Seen | None:
    metadata, spec = service["metadata"], service.get("spec", {})
    address = f"{metadata['name']}.{metadata['namespace']}.svc"
    return _seen(service, address, spec.get("ports", ()), "port")


def _seen(thing: JsonObject, address: str, ports: Iterable[Any], number: str) -> _Seen:
    metadata = thing["metadata"]
    return _Seen(
        namespace=metadata["namespace"],
        name=metadata["name"],
        address=address,
        ports=tuple((port["name"], port[number]) for port in ports if port.get("name")),
        labels=tuple(sorted((metadata.get("labels") or {}).items())),
        annotations=tuple(sorted((metadata.get("annotations") or {}).items())),
    )


_READERS: Mapping[Role, Callable[[JsonObject], _Seen | None]] = MappingProxyType(
    {"pod": _of_pod, "service": _of_service}
)


@dataclass(frozen=True, slots=True)
class _Query:
    """What one thread watches."""

    settings: Kubernetes
    role: Role
    namespace: str | None
    selector: str


class _Watcher:
    """Keeps track of all objects that match one query."""

    def __init__(self, query: _Query) -> None:
        self._query = query
        self._api = KubernetesApi(query.settings)
        namespace = query.namespace or self._api.namespace
        self._path = f"/api/v1/namespaces/{namespace}/{query.role}s"
        self._stopping = threading.Event()
        self.answered = threading.Event()
        self.seen: Mapping[str, _Seen] = {}
        """By UID. Replaced as a whole, so that any thread can read it."""
        self.last_success = 0.0
        """When the API server last answered, Unix time."""
        self._failures = 0
        self._version = ""
        """The latest one that the watcher saw."""
        threading.Thread(target=self._run, name="discovery", daemon=True).start()

    def stop(self) -> None:
        """Change nothing from now on. The thread ends when its watch does."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._watch_from(self._list())
            except ApiError as error:
                if error.status == _GONE:
                    self._stopping.wait(_RETRY_SECONDS[0])
                else:
                    self._wait_after(error)
            except Exception as error:
                log.exception("discovery got an unexpected response")
                self._wait_after(error)

    def _wait_after(self, error: Exception) -> None:
        pause = _RETRY_SECONDS[min(self._failures, len(_RETRY_SECONDS) - 1)]
        self._failures += 1
        if isinstance(error, ApiError):
            pause = max(pause, min(error.retry_after_seconds, _MAX_RETRY_AFTER_SECONDS))
        log.warning(
            "discovery failed, the targets stay as they are",
            path=self._path,
            error=str(error),
            retry_seconds=pause,
        )
        self._stopping.wait(pause)

    def _list(self) -> str:
        items, version = self._api.list_all(self._path, self._query.selector)
        seen = {item["metadata"]["uid"]: self._read(item) for item in items}
        self._succeeded({uid: found for uid, found in seen.items() if found})
        return version

    def _watch_from(self, version: str) -> None:
        self._version = version
        while not self._stopping.is_set():
            try:
                self._follow()
            except ApiError as error:
                if error.status != _TOO_MANY_REQUESTS:
                    raise
                self._wait_after(error)  # a new list costs the server more than a watch
            else:
                self._succeeded(self.seen)
                # in case the server ends watches immediately
                self._stopping.wait(_RETRY_SECONDS[0])

    def _follow(self) -> None:
        """Follow one watch, from the latest version, until it ends."""
        for change, thing in self._api.watch(self._path, self._query.selector, self._version):
            self._failures = 0
            metadata = thing["metadata"]
            self._version = metadata["resourceVersion"]
            if change == "BOOKMARK":
                self._succeeded(self.seen)
                continue
            others = {u: s for u, s in self.seen.items() if u != metadata["uid"]}
            found = None if change == "DELETED" else self._read(thing)
            self._succeeded({**others, metadata["uid"]: found} if found else others)

    def _read(self, thing: JsonObject) -> _Seen | None:
        return _READERS[self._query.role](thing)

    def _succeeded(self, seen: Mapping[str, _Seen]) -> None:
        self.last_success = time.time()
        if not self._stopping.is_set() and seen != self.seen:
            self.seen = seen
        self.answered.set()


class Discovery:
    """Discovered targets. Only one thread at a time can use it."""

    def __init__(self) -> None:
        self._watchers: dict[_Query, _Watcher] = {}
        self._refused: frozenset[tuple[str, str]] = frozenset()
        self._found = 0

    def with_targets_found(self, config: Config) -> Config:
        """The configuration with a target for each known object.

        :raises ConfigError: the address of the API server or its CA is unknown.
        """
        self._watch(config)
        targets = {target.name: target for target in config.targets}
        refused: set[tuple[str, str]] = set()
        for discovery, found in self._matches(config):
            try:
                target = Target.model_validate(render(discovery.target, found))
                if target.name in targets:
                    raise ValueError(f"another target is named {target.name!r}")
                targets[target.name] = target
            except ValueError as error:
                refused.add((f"{found.namespace}/{found.name}", _why(error)))
        for name, why in sorted(refused - self._refused):
            log.warning("discovered, but not a valid target", name=name, why=why)
        self._refused = frozenset(refused)
        self._found = len(targets) - len(config.targets)
        return config.model_copy(update={"targets": (*targets.values(),)})

    def fingerprint(self) -> object:
        """A value that changes when the known objects do."""
        return tuple(frozenset(watcher.seen.items()) for watcher in self._watchers.values())

    def report(self, series: Series) -> None:
        """Set the metrics of discovery, if it is configured."""
        watchers = tuple(self._watchers.values())
        if not watchers:
            return
        counts = {"probed": self._found, "refused": len(self._refused)}
        for state, count in counts.items():
            series.gauge(families.DISCOVERED_TARGETS, state=state).set(count)
        last = min(watcher.last_success for watcher in watchers)
        series.gauge(families.KUBERNETES_LAST_SUCCESS, purpose="discovery").set(last)

    def _watch(self, config: Config) -> None:
        queries = dict.fromkeys(
            query for d in config.kubernetes_discovery for query in _queries(config, d)
        )
        kept = {q: self._watchers.get(q) or _Watcher(q) for q in queries}
        deadline = time.monotonic() + _FIRST_ANSWER_SECONDS
        for query in kept.keys() - self._watchers.keys():
            kept[query].answered.wait(max(0.0, deadline - time.monotonic()))
        for query in self._watchers.keys() - kept.keys():
            self._watchers[query].stop()
        self._watchers = kept

    def _matches(self, config: Config) -> Iterator[tuple[KubernetesDiscovery, Found]]:
        for discovery in config.kubernetes_discovery:
            for query in _queries(config, discovery):
                everything = self._watchers[query].seen.values()
                for seen in sorted(everything, key=lambda s: (s.namespace, s.name)):
                    if found := seen.with_port(discovery.port):
                        yield discovery, found


def _queries(config: Config, discovery: KubernetesDiscovery) -> Iterator[_Query]:
    for namespace in discovery.namespaces or (None,):
        yield _Query(config.kubernetes, discovery.role, namespace, discovery.selector)


def _why(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(map(str, mistakes_in(error, Target)))
    return str(error)
