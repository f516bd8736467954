"""What can be wrong with TLS, or with the answer where TLS is expected. The reason is always
``tls``."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from exporter.config.plan import Plan, Timeouts
from exporter.config.target import Target
from exporter.kinds import Chat
from exporter.net.transport import Connections
from exporter.probing.probe import run_probe
from exporter.result import FailureReason as R
from exporter.result import ProbeResult
from tests.chaos.script import WHOLE
from tests.limits import PATIENT, limits_for
from tests.wire import Act, Step, wire_server

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def _plain(authority: trustme.CA) -> ssl.SSLContext:
    return _serving(authority.issue_cert("localhost"))


def _unknown(_authority: trustme.CA) -> ssl.SSLContext:
    return _serving(trustme.CA().issue_cert("localhost"))


def _expired(authority: trustme.CA) -> ssl.SSLContext:
    return _serving(
        authority.issue_cert("localhost", not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    )


def _not_yet(authority: trustme.CA) -> ssl.SSLContext:
    return _serving(
        authority.issue_cert("localhost", not_before=NOW + DAY, not_after=NOW + 9 * DAY)
    )


def _other_name(authority: trustme.CA) -> ssl.SSLContext:
    return _serving(authority.issue_cert("elsewhere.test"))


def _old(authority: trustme.CA) -> ssl.SSLContext:
    context = _plain(authority)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def _wants_client(authority: trustme.CA, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = _plain(authority)
    context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    return context


def _wants_client_1_2(authority: trustme.CA) -> ssl.SSLContext:
    return _wants_client(authority, ssl.TLSVersion.TLSv1_2)


def _wants_client_1_3(authority: trustme.CA) -> ssl.SSLContext:
    return _wants_client(authority, ssl.TLSVersion.TLSv1_3)


async def _probed(
    url: str, authority: trustme.CA, folder: Path, timeouts: Timeouts = PATIENT
) -> ProbeResult:
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    target = {
        "name": "t",
        "provider": "openai",
        "model": "m",
        "base_url": f"{url}/v1",
        "tls": {"ca_file": folder / "ca.pem"},
    }
    plan = Plan(
        target=Target.model_validate(target),
        probe_name="p",
        probe=Chat(prompt="hello"),
        interval_seconds=60,
        timeouts=timeouts,
        fresh_connection=True,
    )
    connections = Connections(plan.target)
    return await run_probe(plan, "hello", connections)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("served", "reasons"),
    [
        (_plain, (None,)),
        (_unknown, (R.TLS,)),
        (_expired, (R.TLS,)),
        (_not_yet, (R.TLS,)),
        (_other_name, (R.TLS,)),
        (_old, (R.TLS,)),
        (_wants_client_1_2, (R.TLS,)),
        (_wants_client_1_3, (R.TLS,)),
    ],
)
async def test_what_is_wrong_with_a_certificate(
    served: Callable[[trustme.CA], ssl.SSLContext],
    reasons: tuple[R | None, ...],
    authority: trustme.CA,
    tmp_path: Path,
) -> None:
    with wire_server(WHOLE, tls=served(authority)) as server:
        url = server.url.replace("http://127.0.0.1", "https://localhost")
        result = await _probed(url, authority, tmp_path)
    assert (result.failure and result.failure.reason) in reasons, result.failure


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (WHOLE, R.TLS),
        ([b"SSH-2.0-x\r\n", Act.CLOSE], R.TLS),
        ([b"\x15\x03\x03\0\2\2\x28", Act.CLOSE], R.TLS),
        ([b"\x15\x03\x03\0\2\2\x70", Act.CLOSE], R.TLS),
        ([b"\x16\x03\x03\x40\0" + bytes(99), Act.CLOSE], R.TLS),
        ([bytes(range(256)), Act.CLOSE], R.TLS),
        ([Act.CLOSE], R.TLS),
        ([0.1, Act.RESET], R.TLS),
        pytest.param([Act.HANG], R.TIMEOUT_CONNECT, marks=pytest.mark.chaos),
        pytest.param([b"\x16\x03\x03", Act.HANG], R.TIMEOUT_CONNECT, marks=pytest.mark.chaos),
    ],
)
async def test_what_answers_where_tls_is_expected(
    script: Sequence[Step], reason: R, authority: trustme.CA, tmp_path: Path
) -> None:
    with wire_server(script, greets=True) as server:
        url = server.url.replace("http://127.0.0.1", "https://localhost")
        result = await _probed(url, authority, tmp_path, limits_for(reason))
    assert result.failure
    assert result.failure.reason is reason, result.failure


async def test_tls_where_none_is_expected(authority: trustme.CA, tmp_path: Path) -> None:
    with wire_server(WHOLE, tls=_plain(authority)) as server:
        result = await _probed(server.url, authority, tmp_path)
    assert result.failure
    assert result.failure.reason in (R.PROTOCOL, R.CONNECT), result.failure
