"""AWS Signature Version 4 in a header, for services other than S3.

Source: "Create a signed AWS API request" in the IAM user guide.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import reduce
from urllib.parse import quote, urlsplit

from exporter.providers.base import AwsCredentials, HttpRequest

_ALGORITHM = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS = {"http": 80, "https": 443}


def sign(
    request: HttpRequest, credentials: AwsCredentials, region: str, service: str, now: datetime
) -> HttpRequest:
    """Return the request with a signature of its method, path, headers, and body.

    Header names must be lowercase. The URL's path must be percent-encoded, without a query. Headers
    that you add later aren't signed, which AWS allows except for ``x-amz-...``.
    """
    time = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {**request.headers, "x-amz-date": time}
    if credentials.session_token:
        headers["x-amz-security-token"] = credentials.session_token
    signed = {**headers, "host": _host(request.url)}
    names = ";".join(sorted(signed))
    scope = f"{time[:8]}/{region}/{service}/aws4_request"
    message = "\n".join([_ALGORITHM, time, scope, _sha256(_canonical(request, signed, names))])
    key = _key(credentials.secret_access_key, scope)
    signature = hmac.new(key, message.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return replace(request, headers=headers)


def _canonical(request: HttpRequest, headers: Mapping[str, str], names: str) -> bytes:
    lines = [f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers)]
    # The path is encoded once in the request, but twice in the signature.
    path = quote(urlsplit(request.url).path, safe="/~")
    body_hash = _sha256(request.body)
    return "\n".join([request.method, path, "", *lines, "", names, body_hash]).encode()


def _host(url: str) -> str:
    """Return the ``host`` header as HTTP clients send it: without the scheme's default port."""
    parts = urlsplit(url)
    host = parts.netloc.lower()
    return host.removesuffix(f":{_DEFAULT_PORTS.get(parts.scheme)}")


def _key(secret: str, scope: str) -> bytes:
    def derive(key: bytes, part: str) -> bytes:
        return hmac.new(key, part.encode(), hashlib.sha256).digest()

    return reduce(derive, scope.split("/"), f"AWS4{secret}".encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
