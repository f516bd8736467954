"""Settings for cold starts and boots, and which combinations are invalid."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from exporter.config.model_server import WatchedBoot
from exporter.config.root import Config


def config(*targets: dict[str, Any]) -> Config:
    base = {"provider": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1"}
    named = [{"name": f"t{number}", **base, **fields} for number, fields in enumerate(targets)]
    return Config.model_validate({"targets": named})


@pytest.mark.parametrize(
    ("targets", "location", "message"),
    [
        (
            [{"cold_start": {"idle": "30m", "every": "30m"}}],
            ("targets", 0, "cold_start", "every"),
            "must be longer than idle",
        ),
        (
            [
                {"cold_start": {"idle": "30m", "group": "gpu"}},
                {"cold_start": {"idle": "20m", "group": "gpu"}},
            ],
            ("targets", 1, "cold_start"),
            "must have the same idle and every as target 't0'",
        ),
        (
            [{"boot": {"health_path": "health"}}],
            ("targets", 0, "boot", "health_path"),
            "must be a path on the server that begins with /",
        ),
        (
            [{"provider": "vllm", "base_url": None}],
            ("targets", 0),
            "base_url must be set for provider 'vllm'",
        ),
        (
            [{"provider": "vllm", "base_url": None, "region": "eu"}],
            ("targets", 0, "region"),
            "has no regions",
        ),
    ],
)
def test_a_mistake_is_reported_at_its_location(
    targets: list[dict[str, Any]], location: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        config(*targets)
    (detail,) = raised.value.errors()
    assert detail["loc"] == location
    assert message in detail["msg"]


@pytest.mark.parametrize(
    ("fields", "watched"),
    [
        ({}, None),
        ({"provider": "vllm"}, WatchedBoot()),
        ({"provider": "vllm", "boot": {"poll": "5s"}}, WatchedBoot(poll=5.0)),
        ({"boot": {}}, WatchedBoot()),
    ],
)
def test_whose_boots_are_watched(fields: dict[str, Any], watched: WatchedBoot | None) -> None:
    (target,) = config(fields).targets
    assert target.watched_boot == watched


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [({}, 600), ({"provider": "vllm"}, 900), ({"cold_start": {"idle": "1h", "limit": "2h"}}, 7200)],
)
def test_how_long_a_model_may_be_not_ready(fields: dict[str, Any], seconds: float) -> None:
    (target,) = config(fields).targets
    assert target.ready_limit_seconds == seconds
