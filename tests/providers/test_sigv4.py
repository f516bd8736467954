"""Signatures: compared with a fixed vector and with botocore's own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from unittest.mock import patch
from urllib.parse import quote

import pytest

from exporter.providers.base import AwsCredentials, HttpRequest
from exporter.providers.sigv4 import sign

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEYS = AwsCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TEMPORARY = AwsCredentials("ASIAEXAMPLE", "s3cr3t", "IQoJb3JpZ2luX2VjE//+token==")
BODY = b'{"messages":[{"role":"user","content":[{"text":"ping"}]}]}'
HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"


def request(url: str, body: bytes = BODY) -> HttpRequest:
    return HttpRequest("POST", url, {"content-type": "application/json"}, body)


def url_for(model: str, base_url: str = HOST) -> str:
    return f"{base_url}/model/{quote(model, safe='')}/converse-stream"


def test_the_known_vector_is_reproduced() -> None:
    signed = sign(request(url_for("amazon.nova-lite-v1:0")), KEYS, "us-east-1", "bedrock", NOW)
    assert signed.headers["x-amz-date"] == "20260102T030405Z"
    assert signed.headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/bedrock/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=3eba09d4ee294800c636b64438b4f1a661fabf3da203b8596d354bbab7d430c6"
    )


def test_the_time_is_signed_as_utc() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=8)))
    url = url_for("m")
    assert sign(request(url), KEYS, "r", "s", elsewhere) == sign(request(url), KEYS, "r", "s", NOW)


@pytest.fixture
def botocore_clock() -> Iterator[None]:
    """Stop the clock of botocore's signer."""
    with patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        yield


@pytest.mark.usefixtures("botocore_clock")
@pytest.mark.parametrize("keys", [KEYS, TEMPORARY], ids=["long-lived", "temporary"])
@pytest.mark.parametrize(
    "url",
    [
        url_for("us.anthropic.claude-opus-5-5-20260901-v1:0"),
        url_for("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/ab12cd"),
        url_for("arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/amazon.nova-pro-v1:0:300k"),
        url_for("with space+plus%percent~tilde_under*star(é)'\"&=?#"),
        url_for("m", "http://127.0.0.1:8080"),
        url_for("m", "https://Proxy.example.com:443/a/prefix"),
        url_for("m", "http://[::1]:80"),
    ],
)
def test_botocore_signs_the_same(url: str, keys: AwsCredentials) -> None:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    theirs = AWSRequest("POST", url, {"content-type": "application/json"}, data=BODY)
    credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    SigV4Auth(credentials, "bedrock", "eu-west-1").add_auth(theirs)
    ours = sign(request(url), keys, "eu-west-1", "bedrock", NOW)
    assert ours.headers == {name.lower(): value for name, value in theirs.headers.items()}


def test_neither_request_nor_credentials_show_a_secret() -> None:
    signed = sign(request(url_for("m")), TEMPORARY, "us-east-1", "bedrock", NOW)
    shown = repr(signed) + repr(TEMPORARY)
    assert TEMPORARY.secret_access_key not in shown
    assert str(TEMPORARY.session_token) not in shown
    assert "Signature" not in shown
