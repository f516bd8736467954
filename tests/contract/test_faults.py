"""What holds for every simulated provider: each fault has its reason, and times match the script.
Every provider with a model in the demo is tested automatically."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.result import FailureReason
from exporter.simulator import Boot, Error, ErrorKind, Script, Simulator, faults
from exporter.simulator.cast import MODELS
from tests.contract.probing import probed
from tests.limits import limits_for
from tests.waiting import timed

PATHS = {model.provider: model.path for model in MODELS}

FAULTS = [
    (faults.ErrorResponse(Error(ErrorKind.SERVER_ERROR)), FailureReason.SERVER_ERROR),
    (faults.ErrorResponse(Error(ErrorKind.INVALID_KEY)), FailureReason.AUTH),
    (faults.ErrorWithStatusOk(Error(ErrorKind.OVERLOADED)), FailureReason.OVERLOADED),
    (faults.ErrorMidStream(Error(ErrorKind.OVERLOADED)), FailureReason.OVERLOADED),
    (faults.RawResponse(502, b"<h1>Bad Gateway</h1>"), FailureReason.SERVER_ERROR),
    (faults.RawResponse(302), FailureReason.UNEXPECTED_STATUS),
    (faults.Hang(), FailureReason.TIMEOUT_FIRST_TOKEN),
    (faults.Stall(after_tokens=0), FailureReason.TIMEOUT_FIRST_TOKEN),
    (faults.Stall(after_tokens=2), FailureReason.TIMEOUT_STALL),
    (faults.Disconnect(after_tokens=2), FailureReason.TRUNCATED),
    (faults.Disconnect(after_tokens=2, reset=False), FailureReason.TRUNCATED),
    (faults.MissingEndMarker(), FailureReason.TRUNCATED),
    (faults.Garbage(), FailureReason.PROTOCOL),
    (faults.Compressed(), FailureReason.PROTOCOL),
    (faults.EmptyAnswer(), FailureReason.EMPTY),
    (faults.DataAfterEnd(), None),
]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Some providers look elsewhere for credentials if the target has no key."""
    (tmp_path / "key").write_text("simulated-key")
    return tmp_path / "key"


@pytest.mark.parametrize(("fault", "reason"), FAULTS, ids=[repr(fault) for fault, _ in FAULTS])
@pytest.mark.parametrize("provider", PATHS)
async def test_our_probe_names_each_fault(
    provider: str, fault: faults.Fault, reason: FailureReason | None, key_file: Path
) -> None:
    script = Script(first_token_seconds=0.01, token_gap_seconds=0.001, fault=fault)
    async with Simulator({"m": script}) as simulator:
        url = simulator.url + PATHS[provider]
        result = await probed(provider, url, key_file=key_file, timeouts=limits_for(reason))
    assert (result.failure and result.failure.reason) == reason


@pytest.mark.parametrize("provider", PATHS)
async def test_our_probe_calls_a_booting_model_not_ready(provider: str, key_file: Path) -> None:
    async with Simulator({"m": Script(boot=Boot(seconds=60.0))}) as simulator:
        result = await probed(provider, simulator.url + PATHS[provider], key_file=key_file)
    assert result.failure is not None
    assert result.failure.reason is FailureReason.NOT_READY


@timed
@pytest.mark.parametrize("provider", PATHS)
async def test_times_are_those_of_the_script_whatever_comes_between_its_tokens(
    provider: str, key_file: Path
) -> None:
    script = Script(
        first_token_seconds=0.15,
        token_gap_seconds=0.02,
        ending_seconds=0.05,
        preamble=4,
        tokens_per_chunk=(1, 4, 8),
    )
    async with Simulator({"m": script}) as simulator:
        result = await probed(provider, simulator.url + PATHS[provider], key_file=key_file)
    assert result.time_to_first_token_seconds == pytest.approx(0.15, abs=0.04)
    assert result.time_per_output_token_seconds == pytest.approx(0.02, rel=0.1)
    assert result.request_duration_seconds == pytest.approx(0.15 + 19 * 0.02 + 0.05, abs=0.08)


@timed
@pytest.mark.parametrize("provider", PATHS)
async def test_one_read_of_everything_has_a_first_token_but_no_speed(
    provider: str, key_file: Path
) -> None:
    script = Script(first_token_seconds=0.05, token_gap_seconds=0, events_per_write=500)
    async with Simulator({"m": script}) as simulator:
        result = await probed(provider, simulator.url + PATHS[provider], key_file=key_file)
    assert result.failure is None
    assert result.time_to_first_token_seconds == pytest.approx(0.05, abs=0.04)
    assert result.time_per_output_token_seconds is None
