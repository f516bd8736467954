"""Where Entra tokens come from. Getting them blocks nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import pytest

from exporter.providers import PROVIDERS
from exporter.providers.credentials.azure import EntraTokens
from exporter.result import FailureReason, ProbeResult
from exporter.settings.redaction import redact
from exporter.settings.secret import SecretError
from exporter.simulator import Script, Simulator
from tests.contract.probing import probed
from tests.waiting import until
from tests.wire import Step, WireServer, response, wire_server


@pytest.fixture(autouse=True)
def no_other_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the machine's own credentials and other services."""
    for name in os.environ:
        if name.startswith(("AZURE_", "IDENTITY_", "MSI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")


def token(value: str, lifetime_seconds: int = 86400) -> list[Step]:
    body = {
        "access_token": value,
        "expires_on": str(int(time.time()) + lifetime_seconds),
        "resource": "https://cognitiveservices.azure.com",
        "token_type": "Bearer",
    }
    head = (b"content-type: application/json", b"connection: close")
    return [response(200, json.dumps(body).encode(), *head)]


@contextmanager
def managed_identity(monkeypatch: pytest.MonkeyPatch, *answers: list[Step]) -> Iterator[WireServer]:
    """Run a managed identity as in an Azure container: an endpoint, and a secret for it."""
    with wire_server(*answers) as server:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "identity-secret")
        yield server


async def test_a_token_is_for_cognitive_services_and_kept_until_shortly_before_it_expires(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with managed_identity(monkeypatch, token("entra-token-1")) as server:
        tokens = EntraTokens()
        assert [await tokens.current() for _ in range(3)] == ["entra-token-1"] * 3
    (request,) = server.requests
    assert b"&resource=https://cognitiveservices.azure.com " in request


async def test_a_token_that_is_about_to_expire_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = token("entra-token-old", 60), token("entra-token-new")
    with managed_identity(monkeypatch, *answers) as server:
        tokens = EntraTokens()
        found = [await tokens.current() for _ in range(3)]
    assert found == ["entra-token-old", "entra-token-new", "entra-token-new"]
    assert len(server.requests) == 2


async def test_a_token_is_redacted_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with managed_identity(monkeypatch, token("entra-token-to-redact")):
        await EntraTokens().current()
    assert redact("you sent entra-token-to-redact") == "you sent [secret]"


async def test_without_azure_identity_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(SecretError, match=r"pip install 'inference-exporter\[azure\]'"):
        await EntraTokens().current()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (response(400, b'{"error":"invalid_resource"}', b"connection: close"), "invalid_scope"),
        (response(200, b"not JSON", b"connection: close"), "no Entra token can be had"),
    ],
    ids=["refusal", "not JSON"],
)
async def test_an_identity_that_gives_no_token_is_a_secret_error(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, said: str
) -> None:
    with (
        managed_identity(monkeypatch, [answer]),
        pytest.raises(SecretError, match="api_key is not set") as caught,
    ):
        await EntraTokens().current()
    assert said in str(caught.value)


async def test_a_variable_that_makes_no_sense_is_a_secret_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "nobody")
    with pytest.raises(SecretError, match="nobody"):
        await EntraTokens().current()


async def test_an_endpoint_that_hangs_does_not_hold_up_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_answer = threading.Event()
    with managed_identity(monkeypatch, [may_answer, *token("entra-token-slow")]) as server:
        waiting = asyncio.create_task(EntraTokens().current())
        await until(lambda: server.requests)
        may_answer.set()
        assert await waiting == "entra-token-slow"


async def probed_without_a_key(key: str) -> ProbeResult:
    async with Simulator({"m": Script(first_token_seconds=0)}, api_key=key) as simulator:
        fresh = replace(PROVIDERS["azure"], credentials=EntraTokens())
        with patch("exporter.config.target.PROVIDERS", {**PROVIDERS, "azure": fresh}):
            return await probed("azure", simulator.url)


async def test_a_probe_without_a_key_carries_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    with managed_identity(monkeypatch, token("entra-token-of-a-probe")):
        result = await probed_without_a_key("entra-token-of-a-probe")
    assert result.failure is None
    assert result.answer


async def test_a_probe_without_key_and_token_fails_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    result = await probed_without_a_key("never-given")
    assert result.failure is not None
    assert result.failure.reason is FailureReason.AUTH
    assert "inference-exporter[azure]" in result.failure.detail
