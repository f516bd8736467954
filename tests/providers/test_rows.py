"""The table of providers: every row is complete, and reading it is free."""

from __future__ import annotations

import subprocess
import sys

import pytest

from exporter.config.target import Target
from exporter.providers import PROVIDERS, Kind, Provider
from exporter.providers.asks import ChatAsk
from exporter.providers.base import Call
from exporter.providers.credentials import OwnThread

ROWS = pytest.mark.parametrize("row", PROVIDERS.values(), ids=PROVIDERS)
IMPORT = """
import threading, concurrent.futures
import exporter.providers
assert threading.active_count() == 1
pools = [it for it in __import__("gc").get_objects()
         if isinstance(it, concurrent.futures.ThreadPoolExecutor)]
assert not pools, pools
"""
LOAD = """
import sys
from exporter.config.root import Config
target = {"name": "t", "provider": "anthropic", "model": "m"}
for plan in Config.model_validate({"targets": [target]}).plans():
    assert type(plan.dialect).__module__ == "exporter.providers.anthropic"
others = ("azure", "bedrock", "dashscope", "embeddings", "gemini", "listing", "ollama", "openai")
assert not {f"exporter.providers.{name}" for name in others} & sys.modules.keys()
"""


@ROWS
def test_every_provider_can_be_asked_to_chat(row: Provider) -> None:
    assert Kind.CHAT in row.kinds


@ROWS
async def test_an_api_key_is_all_that_a_call_needs(row: Provider) -> None:
    call = Call("m", ChatAsk("hi", 8), "https://host.example/v1", api_key="k")
    assert await row.credentials.authorize(call) == call


@ROWS
def test_only_servers_of_ones_own_are_watched_without_being_asked_for(row: Provider) -> None:
    target = Target(name="t", provider=row.name, model="m", base_url="http://127.0.0.1:1/v1")
    assert (target.watched_boot is not None) is (row.name == "vllm")


@ROWS
def test_every_kind_of_a_provider_has_its_dialect(row: Provider) -> None:
    for kind in row.kinds:
        assert callable(row.dialect(row.server(None, None), kind).request)


def test_a_configuration_imports_the_dialects_of_its_targets_alone() -> None:
    subprocess.run([sys.executable, "-c", LOAD], check=True)


def test_importing_the_providers_starts_no_thread_and_no_pool() -> None:
    subprocess.run([sys.executable, "-c", IMPORT], check=True)


async def test_a_thread_of_its_own_starts_with_the_first_work() -> None:
    thread = OwnThread("t")
    assert await thread.run(lambda: 1 + 1) == 2
