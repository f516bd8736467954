"""The exporter's HTTP server over real sockets, with a real probing loop behind it."""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import bcrypt
import httpx
import pytest
import trustme

from exporter.config.plan import Plan, Timeouts
from exporter.config.target import Target
from exporter.config.web import Web
from exporter.kinds import Chat
from exporter.metrics.registry import Metrics
from exporter.observation import Observation, observed
from exporter.result import Failure, FailureReason, ProbeResult, Timeline, Usage
from exporter.settings.mistakes import ConfigError, Mistake
from exporter.site import routes as web_routes
from exporter.site.backend import Condition
from exporter.site.server import WebError, WebServer
from exporter.site.status import Status
from tests.observing import newly
from tests.process import eventually
from tests.waiting import timed

T = TypeVar("T")
MS = 1_000_000
ANY_PORT = Web(listen="127.0.0.1:0")


def plan(name: str, probe: str = "short") -> Plan:
    return Plan(
        target=Target(name=name, provider="openai", model="m", labels={"team": "search"}),
        probe_name=probe,
        probe=Chat(prompt="hi"),
        interval_seconds=30,
        timeouts=Timeouts(total=5),
        fresh_connection=False,
    )


def result(of: Plan) -> Observation:
    answer = ProbeResult(
        target=of.target.name,
        probe=of.probe_name,
        finished_at=time.time(),
        timeline=Timeline(
            start=0,
            sent=0,
            first_token=250 * MS,
            last_token=450 * MS,
            end=460 * MS,
            lag=MS,
            uncertainty=MS,
        ),
        usage=Usage(input=5, output=11),
        answer="private",
        request_id="req_1",
        status=200,
    )
    return observed(of, answer)


class Exporter:
    """Targets that answer after a delay, on a probing loop in its own thread."""

    def __init__(self, *plans: Plan) -> None:
        self.loop = asyncio.new_event_loop()
        self.reset(*plans)

    def reset(self, *plans: Plan) -> None:
        """Start again with these plans. A running web server stays."""
        self.metrics = Metrics()
        self.status = Status()
        self.ready = True
        self.lifecycle_enabled = True
        self.condition = Condition()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.probe_seconds = 0.0
        self.probes = 0
        self.reloads = 0
        self.mistake: Exception | None = None
        self.plans = plans
        self.metrics.apply(newly(plans))
        self.status.apply(newly(plans))

    def observe(self, found: Observation) -> None:
        self.metrics.observe(found)
        self.status.observe(found)

    async def probe_target(self, name: str) -> tuple[Observation, ...]:
        assert asyncio.get_running_loop() is self.loop
        asked = [plan for plan in self.plans if plan.target.name == name]
        if not asked:
            raise KeyError(name)
        self.probes += 1
        await asyncio.sleep(self.probe_seconds)
        await self.may_answer.wait()
        found = tuple(map(result, asked))
        for one in found:
            self.observe(one)
        return found

    async def reload(self) -> None:
        assert asyncio.get_running_loop() is self.loop
        self.reloads += 1
        if self.mistake:
            raise self.mistake

    def run(self, coroutine: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)


@contextmanager
def probing(*plans: Plan) -> Iterator[Exporter]:
    exporter = Exporter(*plans)
    thread = threading.Thread(target=exporter.loop.run_forever)
    thread.start()
    try:
        yield exporter
    finally:
        exporter.loop.call_soon_threadsafe(exporter.loop.stop)
        thread.join()
        exporter.loop.close()


@contextmanager
def serving(exporter: Exporter, web: Web = ANY_PORT) -> Iterator[WebServer]:
    server = WebServer(exporter, web)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Exporter, str]]:
    """Run one exporter for all tests, because starting it takes time. Yield it with its URL."""
    with probing() as exporter, serving(exporter) as server:
        yield exporter, server.url


@pytest.fixture
def exporter(running: tuple[Exporter, str]) -> Exporter:
    exporter, _ = running
    exporter.reset(plan("a"), plan("a", "long"), plan("b"))
    return exporter


@pytest.fixture
def client(running: tuple[Exporter, str], exporter: Exporter) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running[1], timeout=30) as client:
        yield client


def test_metrics_are_in_the_format_that_the_scraper_asks_for(client: httpx.Client) -> None:
    text = client.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "inference_probes_total{" in text.text
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    openmetrics = client.get("/metrics", headers=accept)
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")


def test_metrics_are_compressed_only_for_those_who_can_read_it(client: httpx.Client) -> None:
    squeezed = client.get("/metrics", headers={"Accept-Encoding": "gzip"})
    plain = client.get("/metrics", headers={"Accept-Encoding": "identity"})
    assert squeezed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert int(squeezed.headers["content-length"]) < int(plain.headers["content-length"]) / 5
    assert squeezed.text.count("\n") == plain.text.count("\n")


FORMATS = (
    "text/plain",
    "application/openmetrics-text;version=1.0.0",
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
)


@pytest.mark.parametrize("path", ["/metrics", "/probe?target=a"])
@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_survives_compression(client: httpx.Client, path: str, format_: str) -> None:
    wanted = {"Accept": format_, "Accept-Encoding": "GZIP"}
    with client.stream("GET", path, headers=wanted) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) == len(raw)
    plain = client.get(path, headers={"Accept": format_, "Accept-Encoding": "identity"})
    assert answer.headers["content-type"] == plain.headers["content-type"]
    assert gzip.decompress(raw).count(b"inference_") == plain.content.count(b"inference_") > 0


@pytest.mark.parametrize("coding", ["gzip;q=0", "gzip; q=0.000, identity", "br", "GZIP;q=0, *"])
@pytest.mark.parametrize("path", ["/metrics", "/probe?target=a"])
def test_nobody_gets_a_coding_that_they_refuse(
    client: httpx.Client, path: str, coding: str
) -> None:
    answer = client.get(path, headers={"Accept-Encoding": coding})
    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.content)


@timed
async def test_scrapes_at_once_share_one_body(
    exporter: Exporter, running: tuple[Exporter, str]
) -> None:
    made = 0

    def slow_to_tell() -> int:
        nonlocal made
        made += 1
        time.sleep(0.3)
        return made

    exporter.metrics.probes_in_flight = slow_to_tell
    async with httpx.AsyncClient(base_url=running[1]) as client:
        one, other = await asyncio.gather(client.get("/metrics"), client.get("/metrics"))
        assert one.content == other.content
        assert made == 1
        await client.get("/metrics")
    assert made == 2


def test_metrics_answer_head_without_a_body(client: httpx.Client) -> None:
    answer = client.head("/metrics")
    assert answer.status_code == 200
    assert answer.content == b""
    assert int(answer.headers["content-length"]) > 0


def test_promtool_has_no_complaint(
    exporter: Exporter, client: httpx.Client, tool: Callable[[str], Path]
) -> None:
    exporter.run(exporter.probe_target("a"))
    checked = subprocess.run(
        [tool("promtool"), "check", "metrics"],
        input=client.get("/metrics").content,
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_probe_asks_now_and_shows_that_target_alone(
    exporter: Exporter, client: httpx.Client
) -> None:
    answer = client.get("/probe", params={"target": "a"})
    assert answer.status_code == 200
    assert exporter.probes == 1
    assert set(re.findall(r'target="(\w+)"', answer.text)) == {"a"}
    assert set(re.findall(r'probe="(\w+)"', answer.text)) == {"short", "long"}
    assert re.search(r"^inference_last_probe_success{.*} 1.0$", answer.text, re.MULTILINE)
    assert "inference_exporter_" not in answer.text


def test_probe_of_an_unknown_target_names_the_known_ones_and_sends_nothing(
    exporter: Exporter, client: httpx.Client
) -> None:
    answer = client.get("/probe", params={"target": "http://169.254.169.254/"})
    assert answer.status_code == 404
    assert answer.text == (
        "no target is named 'http://169.254.169.254/'; configured targets: a, b\n"
    )
    assert exporter.probes == 0


def test_the_list_of_known_targets_is_bounded() -> None:
    with probing(*(plan(f"t{n}") for n in range(500))) as exporter, serving(exporter) as server:
        answer = httpx.get(f"{server.url}/probe", params={"target": "x" * 5000})
    assert answer.text.endswith("t19 and 480 more\n")
    assert len(answer.text) < 1000


def test_probe_without_a_target_says_how(client: httpx.Client) -> None:
    answer = client.get("/probe")
    assert answer.status_code == 400
    assert "/probe?target=NAME" in answer.text


def test_probe_gives_up_in_time_for_the_scraper_and_the_result_still_counts(
    exporter: Exporter, client: httpx.Client
) -> None:
    exporter.may_answer.clear()
    headers = {"X-Prometheus-Scrape-Timeout-Seconds": "0.3"}
    answer = client.get("/probe", params={"target": "b"}, headers=headers)
    assert answer.status_code == 504
    assert "longer than the scrape timeout" in answer.text
    exporter.loop.call_soon_threadsafe(exporter.may_answer.set)
    counted = re.compile(
        r'^inference_probes_total{.*target="b".*,outcome="success"} 1\.0$', re.MULTILINE
    )
    eventually(lambda: counted.search(client.get("/metrics").text))


@pytest.mark.parametrize("seconds", ["soon", "nan", "inf", "-1", "0"])
def test_an_invalid_scrape_timeout_is_refused(
    exporter: Exporter, client: httpx.Client, seconds: str
) -> None:
    headers = {"X-Prometheus-Scrape-Timeout-Seconds": seconds}
    answer = client.get("/probe", params={"target": "b"}, headers=headers)
    assert answer.status_code == 400
    assert exporter.probes == 0


@timed
async def test_probes_asked_for_at_once_are_one(exporter: Exporter) -> None:
    """Each probe costs money, and anyone can request one."""
    exporter.probe_seconds = 0.5
    with serving(exporter) as server:
        async with httpx.AsyncClient(base_url=server.url) as client:
            answers = await asyncio.gather(
                *(client.get("/probe", params={"target": "b"}) for _ in range(5))
            )
    assert [answer.status_code for answer in answers] == [200] * 5
    assert exporter.probes == 1


def test_probe_waits_until_the_exporter_is_ready(exporter: Exporter, client: httpx.Client) -> None:
    exporter.ready = False
    assert client.get("/probe", params={"target": "a"}).status_code == 503
    assert exporter.probes == 0


def test_targets_as_json(exporter: Exporter, client: httpx.Client) -> None:
    exporter.run(exporter.probe_target("b"))
    first, _, last = client.get("/api/v1/targets").json()["targets"]
    assert 0 < first.pop("next_probe_at") - time.time() <= 30
    nothing = {"probes": 0, "success_ratio": None, "p50_seconds": None, "p95_seconds": None}
    assert first == {
        "target": "a",
        "provider": "openai",
        "model": "m",
        "probe": "short",
        "labels": {"team": "search"},
        "endpoint": "https://api.openai.com/v1",
        "interval_seconds": 30,
        "state": "pending",
        "why": "",
        "hour": nothing,
        "day": nothing,
        "objectives": [],
        "waiting": None,
        "last": None,
    }
    assert last["last"].pop("finished_at") == pytest.approx(time.time(), abs=5)
    assert last["last"] == {
        "success": True,
        "failure": None,
        "interrupted": False,
        "retry_after_seconds": None,
        "time_to_first_token_seconds": 0.25,
        "time_to_first_answer_token_seconds": None,
        "time_per_output_token_seconds": 0.02,
        "output_tokens_per_second": 50,
        "request_duration_seconds": 0.46,
        "max_stall_seconds": None,
        "uncertainty_seconds": 0.001,
        "connection": None,
        "usage": {"input": 5, "output": 11, "cached_input": 0, "cache_write": 0, "reasoning": 0},
        "earlier_usage": None,
        "items_per_second": None,
        "embedding_dimensions": None,
        "cold_prompt_first_token_seconds": None,
        "cached_input_ratio": None,
        "finish_reason": None,
        "served_model": None,
        "request_id": "req_1",
        "cold": None,
        "model_load_seconds": None,
        "status": 200,
    }


def test_a_failure_as_json(exporter: Exporter, client: httpx.Client) -> None:
    failure = Failure(FailureReason.RATE_LIMITED, "HTTP 429: slow down", 429)
    result = ProbeResult(
        target="a", probe="long", finished_at=1.5, timeline=Timeline(start=0), failure=failure
    )
    exporter.observe(observed(plan("a", "long"), result))
    last = client.get("/api/v1/targets").json()["targets"][1]["last"]
    assert last["success"] is False
    expected = {"reason": "rate_limited", "detail": "HTTP 429: slow down", "status": 429}
    assert last["failure"] == expected
    assert last["time_to_first_token_seconds"] is None


def test_the_page_is_html_that_can_load_nothing(client: httpx.Client) -> None:
    answer = client.get("/?show=pending&refresh=off")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.text.count('<td class="state pending">') == 3


@pytest.mark.parametrize("path", ["/", "/problems", "/config", "/targets/a"])
def test_every_page_is_shown_under_a_strict_policy(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-frame-options"] == "DENY"


def test_the_page_of_a_target_probes_it_when_asked_to(
    exporter: Exporter, client: httpx.Client
) -> None:
    answer = client.post("/targets/b")
    assert (answer.status_code, answer.headers["location"]) == (303, "/targets/b")
    assert exporter.probes == 1
    assert client.post("/targets/none").status_code == 404
    foreign = client.post("/targets/b", headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    assert exporter.probes == 1


def test_healthy_while_the_probing_loop_answers(client: httpx.Client) -> None:
    assert client.get("/-/healthy").status_code == 200


def test_not_healthy_while_the_probing_loop_is_blocked(
    exporter: Exporter, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    exporter.loop.call_soon_threadsafe(released.wait)
    with monkeypatch.context() as patched:
        patched.setattr(web_routes, "HEARTBEAT_SECONDS", 0.1)
        answer = client.get("/-/healthy")
    released.set()
    assert answer.status_code == 503
    assert "the probing loop has not answered" in answer.text
    exporter.run(asyncio.sleep(0))
    assert client.get("/-/healthy").status_code == 200


def test_not_healthy_once_the_probing_loop_has_ended() -> None:
    with probing(plan("a")) as exporter:
        pass
    with serving(exporter) as server:
        answer = httpx.get(f"{server.url}/-/healthy")
    assert (answer.status_code, answer.text) == (503, "the probing loop has ended\n")


def test_a_blocked_probing_loop_does_not_hold_up_a_scrape(
    exporter: Exporter, client: httpx.Client
) -> None:
    released = threading.Event()
    exporter.loop.call_soon_threadsafe(released.wait)
    try:
        for path in ("/metrics", "/", "/api/v1/targets", "/-/ready"):
            assert client.get(path).status_code == 200
    finally:
        released.set()


def test_ready_follows_the_exporter(exporter: Exporter, client: httpx.Client) -> None:
    assert client.get("/-/ready").status_code == 200
    exporter.ready = False
    assert client.get("/-/ready").status_code == 503
    assert client.get("/-/healthy").status_code == 200


def test_reload(exporter: Exporter, client: httpx.Client) -> None:
    assert client.post("/-/reload").status_code == 200
    assert exporter.reloads == 1


def test_reload_needs_post(exporter: Exporter, client: httpx.Client) -> None:
    answer = client.get("/-/reload")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert exporter.reloads == 0


def test_reload_is_refused_while_it_is_off(exporter: Exporter, client: httpx.Client) -> None:
    exporter.lifecycle_enabled = False
    answer = client.post("/-/reload")
    assert answer.status_code == 403
    assert "web.enable_lifecycle" in answer.text
    assert exporter.reloads == 0


def test_reload_of_a_bad_configuration_says_what_is_wrong(
    exporter: Exporter, client: httpx.Client
) -> None:
    exporter.mistake = ConfigError([Mistake("unknown key", Path("config.yml"), 3)])
    answer = client.post("/-/reload")
    assert answer.status_code == 500
    assert "config.yml:3: unknown key" in answer.text


def test_a_bug_is_logged_but_not_shown_to_the_client(
    exporter: Exporter, caplog: pytest.LogCaptureFixture
) -> None:
    exporter.mistake = ZeroDivisionError("a secret detail")
    with serving(exporter) as server:
        answer = httpx.post(f"{server.url}/-/reload")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "a secret detail" in caplog.text


@pytest.mark.parametrize(
    ("path", "status"), [("/metrics", 200), ("/nothing", 404), ("/-/reload", 405)]
)
def test_every_answer_tells_browsers_not_to_guess(
    client: httpx.Client, path: str, status: int
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers


def test_an_address_in_use_is_a_clear_error(exporter: Exporter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(WebError) as caught:
            WebServer(exporter, Web(listen=address)).start()
    assert str(caught.value) == f"cannot listen on {address}: Address already in use"


def test_an_unusable_web_configuration_is_a_clear_error(exporter: Exporter, tmp_path: Path) -> None:
    with pytest.raises(WebError, match="no such file"):
        WebServer(exporter, Web(config_file=tmp_path / "web.yml")).start()


def test_ipv6(exporter: Exporter) -> None:
    with serving(exporter, Web(listen="[::1]:0")) as server:
        assert server.url.startswith("http://[::1]:")
        assert httpx.get(f"{server.url}/-/ready").status_code == 200


def test_stop_lets_a_request_under_way_end(exporter: Exporter) -> None:
    exporter.probe_seconds = 0.5
    answers: list[httpx.Response] = []
    with serving(exporter) as server:
        asking = threading.Thread(
            target=lambda: answers.append(httpx.get(f"{server.url}/probe?target=b"))
        )
        asking.start()
        while not exporter.probes:
            time.sleep(0.01)
    asking.join()
    assert [answer.status_code for answer in answers] == [200]
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def secured(folder: Path, authority: trustme.CA, host: str = "127.0.0.1", more: str = "") -> Web:
    """Return a web configuration with TLS. Its files are in this folder."""
    certificate = authority.issue_cert(host)
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    path = folder / "web.yml"
    path.write_text(
        f"tls_server_config: {{cert_file: server.pem, key_file: server.pem{more}}}\n"
        "http_server_config: {headers: {X-Frame-Options: deny}}\n"
    )
    return Web(listen="127.0.0.1:0", config_file=path)


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_tls(exporter: Exporter, authority: trustme.CA, tmp_path: Path) -> None:
    with serving(exporter, secured(tmp_path, authority)) as server:
        assert server.url.startswith("https://")
        answer = httpx.get(f"{server.url}/metrics", verify=trusting(authority))
    assert answer.status_code == 200
    assert answer.headers["x-frame-options"] == "deny"


def test_new_connections_get_a_renewed_certificate(
    exporter: Exporter, authority: trustme.CA, tmp_path: Path
) -> None:
    with serving(exporter, secured(tmp_path, authority, host="old.example")) as server:
        with pytest.raises(httpx.ConnectError, match="certificate is not valid"):
            httpx.get(server.url, verify=trusting(authority))
        secured(tmp_path, authority, host="127.0.0.1")
        assert httpx.get(server.url, verify=trusting(authority)).status_code == 200


def test_client_certificates_can_be_required_while_running(
    exporter: Exporter, authority: trustme.CA, tmp_path: Path
) -> None:
    with serving(exporter, secured(tmp_path, authority)) as server:
        assert httpx.get(server.url, verify=trusting(authority)).status_code == 200
        required = ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem"
        secured(tmp_path, authority, more=required)
        with pytest.raises(httpx.TransportError):
            httpx.get(server.url, verify=trusting(authority))
        known = trusting(authority)
        authority.issue_cert("prometheus.example").configure_cert(known)
        assert httpx.get(server.url, verify=known).status_code == 200


@pytest.fixture
def guarded(exporter: Exporter, tmp_path: Path) -> Iterator[httpx.Client]:
    """Run a server that only accepts the user ``alice`` with the password ``secret``."""
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    path = tmp_path / "web.yml"
    path.write_text(f"basic_auth_users: {{alice: {hashed}}}")
    web = Web(listen="127.0.0.1:0", config_file=path)
    with serving(exporter, web) as server, httpx.Client(base_url=server.url) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/targets", "/-/healthy", "/nothing"])
def test_without_a_password_every_path_is_closed(guarded: httpx.Client, path: str) -> None:
    answer = guarded.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")


def test_a_wrong_password_cannot_probe_or_reload(exporter: Exporter, guarded: httpx.Client) -> None:
    wrong = ("alice", "wrong")
    assert guarded.get("/probe?target=a", auth=wrong).status_code == 401
    assert guarded.post("/-/reload", auth=wrong).status_code == 401
    assert (exporter.probes, exporter.reloads) == (0, 0)


def test_the_right_password_opens(guarded: httpx.Client) -> None:
    for _ in range(2):
        assert guarded.get("/metrics", auth=("alice", "secret")).status_code == 200
