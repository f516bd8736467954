"""A budget in a running exporter: it stops probes however they are requested, and a restart doesn't
reset the day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from exporter.simulator import Script, Simulator, run_in_thread
from tests.integration.test_run import Running, running
from tests.prices.test_price_file import PRICES
from tests.process import eventually, free_port

CONFIG = """
web: {{listen: "127.0.0.1:{port}"}}
defaults: {{interval: 200ms}}
budget: {{usd_per_day: 0.012, state_file: {state}}}
prices_file: {prices}
targets:
  - {{name: paid, provider: openai, model: m, base_url: "{url}/v1",
     price: {{input: 1, output: 50}}}}
  - {{name: unheard-of, provider: openai, model: m, base_url: "{url}/v1"}}
"""


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    script = Script(first_token_seconds=0.01, token_gap_seconds=0.001)
    with run_in_thread(Simulator({"m": script})) as simulator:
        yield simulator.url


def skipped(run: Running) -> float:
    return run.value("inference_probes_skipped_total", target="paid", reason="budget") or 0


def test_a_spent_budget_stays_spent_over_a_restart(simulator: str, tmp_path: Path) -> None:
    port, state = free_port(), tmp_path / "state" / "spent.json"
    state.parent.mkdir()
    config = CONFIG.format(port=port, state=state, prices=PRICES, url=simulator)

    with running(config, port, tmp_path) as run:
        eventually(lambda: skipped(run), lambda count: count >= 2)
        spent = run.value("inference_budget_spent_usd") or 0
        assert 0 < spent <= 0.012
        assert run.value("inference_cost_usd_total", target="paid") == pytest.approx(spent)
        eventually(lambda: run.successes("unheard-of"))
        answer = httpx.get(f"{run.url}/probe", params={"target": "paid"})
        assert answer.status_code == 503
        assert "'paid' could exceed the budget of 0.012 USD a day" in answer.text
        assert "the vendor that bills for" in run.log.read_text()
    assert json.loads(state.read_text())["usd"].keys() == {"paid"}

    with running(config, port, tmp_path) as run:
        eventually(lambda: skipped(run), lambda count: count >= 2)
        assert run.value("inference_budget_spent_usd") == spent
        eventually(lambda: run.successes("unheard-of"))
        assert run.successes("paid") == 0
