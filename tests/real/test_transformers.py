"""Hugging Face's ``transformers serve`` loads the requested model, and unloads it later."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from exporter.result import FailureReason
from tests.real.conftest import Figures
from tests.real.engines import TRANSFORMERS_UNLOAD_SECONDS, transformers_serve
from tests.real.exporter_process import probe, target_options
from tests.real.servers import Installation, Server

FACES = ("openai", "openai_responses")


@pytest.fixture(scope="module")
def server(installation: Installation) -> Iterator[Server]:
    with transformers_serve(installation) as server:
        yield server


@pytest.fixture(scope="module")
def model(installation: Installation) -> str:
    """Return the model's name, which is the path of its folder."""
    return str(installation.home / "vllm-model")


@pytest.mark.parametrize("provider", FACES)
def test_it_is_probed_through_both_of_its_faces(
    provider: str, server: Server, model: str, figures: Figures
) -> None:
    results = probe(*target_options(provider, server.base_url, model), "-n", "5")

    figures.keep(f"transformers serve, {provider}", results)
    for result in results:
        assert result.success, result.failure
        assert result.usage is not None
        assert result.usage.output > 0


def test_a_model_that_was_dropped_is_loaded_without_a_word(
    server: Server, model: str, figures: Figures
) -> None:
    """The load time is part of the time to first token, and nothing else shows it."""
    target = target_options("openai", server.base_url, model)
    probe(*target)
    time.sleep(TRANSFORMERS_UNLOAD_SECONDS + 4)
    cold, *warm = probe(*target, "-n", "4")

    figures.keep("transformers serve, dropped model", [cold])
    figures.keep("transformers serve, loaded again", warm)
    assert cold.success
    assert cold.model_load_seconds is None


@pytest.mark.parametrize("provider", FACES)
def test_a_model_that_it_cannot_find_is_an_error_of_some_kind(
    provider: str, server: Server
) -> None:
    [result] = probe(*target_options(provider, server.base_url, "no-such/model"))

    assert result.reason in {
        FailureReason.NOT_FOUND,
        FailureReason.BAD_REQUEST,
        FailureReason.SERVER_ERROR,
    }
