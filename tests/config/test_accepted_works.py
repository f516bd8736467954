"""Every configuration that check-config accepts can be sent. None ends as ``internal``."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import h11
import httpx
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from exporter.config.outgoing import outgoing
from exporter.config.root import Config
from exporter.providers import PROVIDERS
from exporter.providers.base import AwsCredentials, Call
from exporter.settings.explain import mistakes_in
from exporter.settings.url import http_url


def target(**fields: object) -> dict[str, object]:
    return {"name": "a", "provider": "openai", "model": "m", **fields}


def complaints(**fields: object) -> list[str]:
    """Return the mistakes in a target with these fields, by key."""
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"targets": [target(**fields)]})
    return [str(mistake) for mistake in mistakes_in(caught.value, Config)]


HOSTS = [
    ("http://☃.test/v1", "is not a valid host name"),
    ("http://xn--.test/v1", "is not a valid host name"),
    ("http://a\x7fb/v1", "contains a control character"),
    ("http://host/\x7f", "contains a control character"),
    ("http://" + "a" * 70_000, "is longer than 2000 characters"),
    (f"http://{'a' * 64}.test", "is not a valid host name"),
    ("http://" + "a." * 200 + "test", "is not a valid host name"),
    ("http://a..b", "is not a valid host name"),
    ("http://.", "is not a valid host name"),
    ("http://exa%41mple.test", "is not a valid host name"),
    ("http://*.test", "is not a valid host name"),
    ('http://a"b', "is not a valid host name"),
    ("http://①②.test", "is not a valid host name"),
    ("http://[fe80::1%25eth0]:80", "is not an IPv6 address"),
    ("http://[::1", "must be an http:// or https:// URL"),
    ("http://[::1.2]", "must be an http:// or https:// URL"),
    ("http://a:\N{ARABIC-INDIC DIGIT THREE}", "must be an http:// or https:// URL"),
    ("http://a:65536", "must be an http:// or https:// URL"),
    ("http://a:0", "must be an http:// or https:// URL"),
    ("http://", "must be an http:// or https:// URL"),
    ("ftp://a", "must be an http:// or https:// URL"),
    ("http://a b", "must be an http:// or https:// URL"),
]


@pytest.mark.parametrize(("url", "complaint"), HOSTS, ids=[url[:30] for url, _ in HOSTS])
def test_a_url_to_which_nothing_can_be_sent_is_refused(url: str, complaint: str) -> None:
    (found,) = complaints(base_url=url)
    assert found.startswith("targets[0].base_url: ")
    assert complaint in found


@pytest.mark.parametrize(
    ("url", "as_sent"),
    [
        ("http://faß.de/v1/", "http://xn--fa-hia.de/v1"),
        ("http://xn--fa-hia.de", "http://xn--fa-hia.de"),
        ("http://model_server:8000/v1", "http://model_server:8000/v1"),
        ("http://[2001:db8::1]:80", "http://[2001:db8::1]:80"),
        ("https://host.test.:443/v1", "https://host.test.:443/v1"),
        ("http://host/modèle/%7Ba", "http://host/mod%C3%A8le/%7Ba"),
        ("http://10.0.0.7", "http://10.0.0.7"),
    ],
)
def test_a_url_is_kept_as_it_is_sent(url: str, as_sent: str) -> None:
    assert http_url(url) == as_sent


HEADERS: list[tuple[str, object, str]] = [
    ("X-A", " x ", "must not begin or end with a space"),
    ("X-A", "a\nb", "must be one line of ASCII"),
    ("X-A", "\x7f", "must be one line of ASCII"),
    ("X-A", "x" * 8193, "is longer than 8192 characters"),
    ("X" * 257, "x", "is not the name of a header"),
    ("", "x", "is not the name of a header"),
    *(
        (name, "1", "is set by the exporter itself")
        for name in (
            "Content-Length",
            "transfer-encoding",
            "Connection",
            "Keep-Alive",
            "Proxy-Connection",
            "TE",
            "Trailer",
            "Upgrade",
            "Expect",
            "Accept-Encoding",
            "Content-Encoding",
        )
    ),
]


@pytest.mark.parametrize(("name", "value", "complaint"), HEADERS)
def test_a_header_that_cannot_be_sent_is_refused(name: str, value: str, complaint: str) -> None:
    (found,) = complaints(headers={name: value})
    assert found.startswith("targets[0].headers")
    assert complaint in found


def test_a_header_that_is_there_twice_is_refused() -> None:
    assert "appears twice" in complaints(headers={"X-A": "1", "x-a": "2"})[0]


ARABIC_DATE = "2024-10-21".translate({ord("0") + digit: 0x660 + digit for digit in range(10)})
OTHERS: list[tuple[dict[str, Any], str]] = [
    ({"extra_body": {"temperature": math.nan}}, "must be a finite number"),
    ({"extra_body": {"a": [math.inf]}}, "must be a finite number"),
    ({"extra_body": json.loads('{"a":' * 100 + "1" + "}" * 100)}, "is nested more than 64 deep"),
    ({"region": "eu\nwest", "provider": "bedrock", "base_url": "http://a"}, "must be 1 to 64"),
    ({"region": "", "provider": "bedrock", "base_url": "http://a"}, "must be 1 to 64"),
    (
        {"api_version": ARABIC_DATE, "provider": "azure", "base_url": "http://a"},
        "azure has no version",
    ),
    ({"model": "a\ud83d"}, "half of a surrogate pair"),
    ({"boot": {"health_path": "//evil.test/"}}, "must be a path on the server"),
]


@pytest.mark.parametrize(("fields", "complaint"), OTHERS)
def test_what_else_cannot_be_sent_is_refused(fields: dict[str, Any], complaint: str) -> None:
    assert complaint in "\n".join(complaints(**fields))


@pytest.mark.parametrize(
    ("settings_", "key"),
    [
        ({"web": {"listen": "\N{SNOWMAN}:80"}}, "web.listen"),
        ({"web": {"listen": "a..b:80"}}, "web.listen"),
        ({"web": {"listen": "a b:80"}}, "web.listen"),
        ({"web": {"listen": ":\N{ARABIC-INDIC DIGIT THREE}"}}, "web.listen"),
        ({"kubernetes": {"namespace": "a/b"}}, "kubernetes.namespace"),
        ({"kubernetes": {"lease": "A"}}, "kubernetes.lease"),
        ({"kubernetes": {"api_server": "http://a..b"}}, "kubernetes.api_server"),
        ({"currencies": {"EUR": 1e300}}, "currencies.EUR"),
        ({"currencies": {"usd": 1}}, "currencies.usd.[key]"),
        ({"currencies": {"USD": 2}}, "currencies.USD.[key]"),
        ({"budget": {"usd_per_day": 1e13}}, "budget.usd_per_day"),
    ],
)
def test_addresses_and_names_that_cannot_be_used_are_refused(
    settings_: dict[str, Any], key: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(settings_)
    assert [mistake.key for mistake in mistakes_in(caught.value, Config)] == [key]


TEXTS = st.text(max_size=40)
TARGETS = st.fixed_dictionaries(
    {
        "name": st.just("a"),
        "provider": st.sampled_from(sorted(PROVIDERS)),
        "model": st.text(min_size=1, max_size=40),
        "base_url": st.one_of(
            st.just("http://127.0.0.1:1/v1"),
            st.text(max_size=20).map("http://host/{}".format),
            st.text(max_size=20).map("https://{}.test/v1".format),
            st.text(st.characters(max_codepoint=0x7F), max_size=20).map("http://{}".format),
        ),
    },
    optional={
        "region": st.one_of(st.just("eu-west-1"), TEXTS),
        "api_version": st.one_of(
            st.sampled_from(["2024-10-21", "preview", "v1", "v1beta", "2023-06-01"]), TEXTS
        ),
        "headers": st.dictionaries(st.from_regex(r"[A-Za-z-]{1,12}", fullmatch=True), TEXTS),
        "extra_body": st.dictionaries(
            TEXTS,
            st.recursive(
                st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
                lambda inner: st.one_of(st.lists(inner), st.dictionaries(TEXTS, inner)),
                max_leaves=4,
            ),
            max_size=3,
        ),
    },
)


def accepted(written: dict[str, Any]) -> Config:
    try:
        return Config.model_validate(written)
    except ValidationError:
        reject()


@settings(max_examples=150, deadline=None)
@given(TARGETS, st.booleans())
def test_whatever_is_accepted_can_be_sent(written: dict[str, Any], has_key: bool) -> None:
    """The request is built and framed as in a probe, with a key and with cloud credentials."""
    key = {"api_key": {"env": "KEY"}} if has_key else {}
    config = accepted({"targets": [{**written, **key}]})
    for plan in config.plans():
        asked = plan.target
        call = Call(
            model=asked.model,
            ask=plan.probe.ask(plan.probe.texts[0], "nonce"),
            base_url=asked.endpoint,
            api_key="sk-key" if has_key else None,
            aws=None if has_key else AwsCredentials("id", "key", "token"),
            entra_token=None if has_key else "token",
            region=asked.region,
            api_version=asked.api_version,
            now=datetime.now(UTC),
            extra_body=asked.extra_body,
        )
        further = {name: value for name, value in asked.headers.items() if isinstance(value, str)}
        request = outgoing(asked.dialect(plan.probe.kind).request(call), further)
        wire = h11.Connection(h11.CLIENT)
        content = request.read()
        assert wire.send(
            h11.Request(
                method=request.method, target=request.url.raw_path, headers=request.headers.raw
            )
        )
        wire.send(h11.Data(content))
        wire.send(h11.EndOfMessage())
        json.loads(content, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
        host = httpx.URL(asked.endpoint).host
        host.encode("idna")  # as a DNS lookup does
