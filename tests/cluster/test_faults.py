"""Faults of a cluster, and the exporter's two rules: it continues with what it knows, and two
replicas never probe at the same time. The provider's ledger is the proof."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import httpx
import pytest
import yaml

from exporter.cluster.api import ApiError, KubernetesApi
from exporter.simulator import Simulator
from tests.cluster.control_plane import ControlPlane
from tests.cluster.forwarder import Forwarder
from tests.cluster.home import (
    ACCOUNT,
    HOME,
    LEASE_SECONDS,
    RESTRICTED,
    account_settings,
    discovering,
    has,
    put_pod,
    settings,
)
from tests.cluster.test_leader import Replica, replica
from tests.process import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

Provider = tuple[Simulator, str]
MANY = 200
PODS_PATH = f"/api/v1/namespaces/{HOME}/pods"


def say(what: str) -> None:
    """Print a row of the table of times. To see it, run with ``-s``."""
    print(f"measured: {what}")  # noqa: T201


def port_of(provider: Provider) -> int:
    return int(provider[1].rpartition(":")[2])


@contextmanager
def no_pods_left(plane: ControlPlane) -> Iterator[None]:
    try:
        yield
    finally:
        plane.request("DELETE", f"{PODS_PATH}?gracePeriodSeconds=0")


def test_two_hundred_pods_come_at_once_and_go_at_once(
    plane: ControlPlane, provider: Provider, tmp_path: Path
) -> None:
    names = {f"many-{number}" for number in range(MANY)}
    with no_pods_left(plane), discovering(plane, tmp_path, interval="30s") as shown:
        for name in sorted(names):
            put_pod(plane, name, port_of(provider))
        began = time.monotonic()
        has(shown, *names, seconds=90)
        say(f"{MANY} pods: all are targets {time.monotonic() - began:.1f} s after the last came")
        plane.request("DELETE", f"{PODS_PATH}?gracePeriodSeconds=0")
        began = time.monotonic()
        has(shown, seconds=90)
        say(f"{MANY} pods: none is a target {time.monotonic() - began:.1f} s after they went")


def test_an_expired_watch_is_caught_up_after_an_outage(
    plane: ControlPlane, provider: Provider, tmp_path: Path
) -> None:
    """The history is compacted in the meantime, so the exporter must list everything again."""
    with (
        no_pods_left(plane),
        Forwarder(plane.url) as way,
        discovering(plane, tmp_path, way.url) as shown,
    ):
        put_pod(plane, "stays", port_of(provider))
        put_pod(plane, "goes", port_of(provider))
        has(shown, "stays", "goes")
        way.refuse()
        plane.request("DELETE", f"{PODS_PATH}/goes?gracePeriodSeconds=0")
        put_pod(plane, "comes", port_of(provider))
        plane.forget_the_past()
        has(shown, "stays", "goes")
        with pytest.raises(ApiError) as gone:
            list(KubernetesApi(account_settings(plane, tmp_path)).watch(PODS_PATH, "", "1"))
        assert gone.value.status == httpx.codes.GONE
        way.open()
        has(shown, "stays", "comes", seconds=60)


def test_a_rotated_token_is_taken_up_and_nobody_stops(
    plane: ControlPlane, provider: Provider, tmp_path: Path
) -> None:
    """The old token becomes invalid at once, as when its pod's Secret is deleted."""
    with pair(plane, provider, tmp_path) as two:
        (tmp_path / "token").write_text(plane.bound_token(ACCOUNT, HOME, "one"))
        time.sleep(LEASE_SECONDS / 2)
        (tmp_path / "token").write_text(plane.bound_token(ACCOUNT, HOME, "two"))
        plane.request("DELETE", f"/api/v1/namespaces/{HOME}/secrets/one")
        deadline = time.monotonic() + 3 * LEASE_SECONDS
        while time.monotonic() < deadline:
            assert two.first.leads()
            time.sleep(0.2)
        assert two.writers() == ["of-first"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two replicas that probe different models. The first one leads."""

    first: Replica
    second: Replica
    provider: Simulator
    since: int
    """The index of their first request in the provider's ledger."""
    way: Forwarder
    """The connection from the first replica to the API server."""

    def writers(self) -> list[str]:
        """Return who probed, as the provider saw it, without repetitions. Two at the same time
        would alternate often."""
        served = sorted(self.provider.ledger[self.since :], key=lambda one: one.received_ns)
        return [model or "" for model, _ in groupby(served, key=lambda one: one.model)]


@contextmanager
def pair(
    plane: ControlPlane, provider: Provider, folder: Path, clocks: tuple[str, str] = ("", "")
) -> Iterator[Pair]:
    """Run a pair of replicas.

    :param clocks: the error of each replica's clock, in seconds.
    """
    simulator, url = provider

    def config(name: str, way: str | None) -> Path:
        target = f"{{name: t, provider: openai, model: of-{name}, base_url: '{url}/v1'}}"
        path = folder / f"{name}.yaml"
        path.write_text(
            f"defaults: {{interval: 200ms, confirm: false}}\n{settings(plane, folder, way)}"
            f"leader_election: kubernetes-lease\ntargets: [{target}]\n"
        )
        return path

    with Forwarder(plane.url) as way:
        configs = config("first", way.url), config("second", None)
        since = len(simulator.ledger)
        with wrong_clock(folder, clocks[0]), replica(configs[0], "first") as first:
            eventually(first.leads, seconds=60)
            with wrong_clock(folder, clocks[1]), replica(configs[1], "second") as second:
                eventually(first.probes, seconds=30)
                yield Pair(first, second, simulator, since, way)


_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long wrong(void) { const char *by = getenv("WRONG_CLOCK"); return by ? atol(by) : 0; }
int clock_gettime(clockid_t id, struct timespec *t) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int answer = real(id, t);
    if (id == CLOCK_REALTIME) t->tv_sec += wrong();
    return answer;
}
time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *t, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


@contextmanager
def wrong_clock(folder: Path, seconds: str) -> Iterator[None]:
    """Give every process that starts in the block a wall clock with this error."""
    if not seconds:
        yield
        return
    library = folder / "clock.so"
    if not library.exists():
        command: list[str | Path] = ["cc", "-shared", "-fPIC", "-xc", "-o", library, "-", "-ldl"]
        subprocess.run(command, input=_CLOCK, text=True, check=True)
    changed = {"LD_PRELOAD": str(library), "WRONG_CLOCK": seconds}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def killed(two: Pair) -> None:
    two.first.process.kill()
    two.first.process.wait(60)


def frozen(two: Pair) -> None:
    two.first.process.send_signal(signal.SIGSTOP)


def cut_off(two: Pair) -> None:
    two.way.swallow()


def refused(two: Pair) -> None:
    two.way.refuse()


def ended(two: Pair) -> None:
    two.first.process.terminate()
    two.first.process.wait(60)


@pytest.mark.parametrize("clocks", [("", ""), ("2700", "-2700")], ids=["agree", "90 min apart"])
@pytest.mark.parametrize("fault", [ended, killed, frozen, cut_off, refused])
def test_one_follows_the_other_and_two_never_probe_at_once(
    fault: Callable[[Pair], None],
    clocks: tuple[str, str],
    plane: ControlPlane,
    provider: Provider,
    tmp_path: Path,
) -> None:
    with pair(plane, provider, tmp_path, clocks) as two:
        if clocks[0]:
            began = re.findall(r'"timestamp": "(.+?)"', two.first.log.read_text())[0]
            assert abs(_seconds(began) - time.time() - 2700) < 120, "the clock is wrong"
        fault(two)
        began_at = time.monotonic()
        eventually(two.second.probes, seconds=3 * LEASE_SECONDS + 30)
        took = time.monotonic() - began_at
        what = f"{fault.__name__}, {'clocks 90 min apart' if clocks[0] else 'clocks agree'}"
        say(f"{what}: the other probed after {took:.1f} s of a lease of {LEASE_SECONDS:g} s")
        two.first.process.send_signal(signal.SIGCONT)
        two.way.open()
        time.sleep(LEASE_SECONDS)  # time for the first replica to misbehave
        assert two.writers() == ["of-first", "of-second"]
        say(f"{what}: turns at the provider {two.writers()}")


def _seconds(text: str) -> float:
    moment = yaml.safe_load(text.replace("Z", "+00:00"))
    return float(moment.timestamp())


def test_a_node_gives_its_region_to_its_pods(plane: ControlPlane) -> None:
    """The component ``location`` depends on this."""
    labels = {"topology.kubernetes.io/region": "eu-west-1"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": labels}}
    plane.request("POST", "/api/v1/nodes", node)
    with no_pods_left(plane):
        plane.request("POST", PODS_PATH, _unscheduled("placed"))
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "placed"}}
        binding |= {"target": {"apiVersion": "v1", "kind": "Node", "name": "n1"}}
        plane.request("POST", f"{PODS_PATH}/placed/binding", binding)
        found = plane.get("pod", "placed", HOME)["metadata"].get("labels", {})
        assert found.get("topology.kubernetes.io/region") == "eu-west-1"


def _unscheduled(name: str) -> dict[str, object]:
    container = {"name": "c", "image": "x", "securityContext": RESTRICTED}
    spec = {"automountServiceAccountToken": False, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
