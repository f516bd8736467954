"""Where AWS credentials come from. Getting them blocks nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exporter.providers.base import AwsCredentials
from exporter.providers.credentials.aws import AwsCredentialChain
from exporter.settings.redaction import redact
from exporter.settings.secret import SecretError
from tests.waiting import until
from tests.wire import WireServer, response, wire_server


@pytest.fixture(autouse=True)
def no_other_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the machine's own credentials and its metadata service."""
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture(params=["with botocore", "without botocore"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without botocore":
        monkeypatch.setitem(sys.modules, "botocore", None)


@pytest.mark.usefixtures("either_way")
async def test_the_environment_is_read_with_and_without_botocore(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "env-secret-value")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "env-session-token")
    found = await AwsCredentialChain().current()
    assert found == AwsCredentials("AKIDENV", "env-secret-value", "env-session-token")


@pytest.mark.usefixtures("either_way")
async def test_what_was_found_is_redacted_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-to-redact")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token-to-redact")
    await AwsCredentialChain().current()
    assert redact("a-secret-to-redact, a-token-to-redact") == "[secret], [secret]"


async def test_without_botocore_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(SecretError, match=r"pip install 'inference-exporter\[bedrock\]'"):
        await AwsCredentialChain().current()


async def test_with_botocore_and_no_credentials_the_message_says_what_to_set() -> None:
    with pytest.raises(SecretError, match="AWS_ACCESS_KEY_ID"):
        await AwsCredentialChain().current()


def write_profile(tmp_path: Path, key_id: str) -> None:
    (tmp_path / "credentials").write_text(
        f"[probing]\naws_access_key_id = {key_id}\naws_secret_access_key = file-secret\n"
    )


async def test_a_profile_is_read_and_a_rotated_file_taken_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "probing")
    write_profile(tmp_path, "AKIDOLD")
    seldom, often = AwsCredentialChain(), AwsCredentialChain(reread_seconds=0)
    assert (await seldom.current()).access_key_id == "AKIDOLD"
    assert (await often.current()).access_key_id == "AKIDOLD"
    write_profile(tmp_path, "AKIDNEW")
    assert (await seldom.current()).access_key_id == "AKIDOLD"
    assert (await often.current()).access_key_id == "AKIDNEW"


async def test_an_unknown_profile_is_a_secret_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(SecretError, match="nobody"):
        await AwsCredentialChain().current()


def role_credentials(key_id: str, lifetime: timedelta) -> bytes:
    expiration = (datetime.now(UTC) + lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {
        "AccessKeyId": key_id,
        "SecretAccessKey": "role-secret",
        "Token": "role-token",
        "Expiration": expiration,
    }
    return response(200, json.dumps(body).encode(), b"connection: close")


def point_to(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/role")


async def test_a_containers_role_is_refreshed_when_it_is_about_to_expire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    brief = role_credentials("ASIABRIEF", timedelta(minutes=5))
    long = role_credentials("ASIALONG", timedelta(hours=6))
    with wire_server([brief], [long]) as server:
        point_to(server, monkeypatch)
        chain = AwsCredentialChain(reread_seconds=0)
        found = [(await chain.current()).access_key_id for _ in range(4)]
    assert found[-3:] == ["ASIALONG"] * 3
    assert len(server.requests) == 2


async def test_an_endpoint_that_hangs_does_not_hold_up_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_answer = threading.Event()
    with wire_server([may_answer, role_credentials("ASIASLOW", timedelta(hours=6))]) as server:
        point_to(server, monkeypatch)
        waiting = asyncio.create_task(AwsCredentialChain().current())
        await until(lambda: server.requests)
        may_answer.set()
        assert (await waiting).access_key_id == "ASIASLOW"


async def test_a_credential_process_that_fails_is_a_secret_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "probing")
    (tmp_path / "config").write_text("[profile probing]\ncredential_process = false\n")
    with pytest.raises(SecretError, match="AWS credentials cannot be had"):
        await AwsCredentialChain().current()
