"""The pages in Chromium: what readers see, press, and hear. axe reports no violations.

Each page is also saved to ``build/screenshots``, for people to look at.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from exporter.simulator import Script, Simulator
from exporter.simulator.faults import Disconnect, ErrorResponse
from exporter.simulator.script import Boot
from exporter.simulator.steps import Error, ErrorKind
from exporter.simulator.thread import run_in_thread
from tests.process import eventually, exporter, free_port, process

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PAGES = {
    "targets": "/",
    "targets-grouped": "/?group=team&sort=state",
    "targets-none": "/?q=nobody",
    "target-good": "/targets/good",
    "target-flaky": "/targets/flaky",
    "target-failing": "/targets/failing",
    "problems": "/problems",
    "configuration": "/config",
}
WIDTHS = {"desktop": 1280, "phone": 390}
STATES = {
    "good": "ok",
    "slow": "slow",
    "flaky": "flaky",
    "throttled": "throttled",
    "failing": "failing",
    "booting": "not-ready",
    "rare": "pending",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium"),
]


def _scripts() -> dict[str, Script]:
    quick = Script(first_token_seconds=0.03, token_gap_seconds=0.004, jitter=0.3)
    limited = ErrorResponse(Error(ErrorKind.RATE_LIMITED, "Slow down."))
    return {
        "good": quick,
        "slow": replace(quick, first_token_seconds=0.3),
        "flaky": replace(quick, fault=Disconnect(after_tokens=6), fault_ratio=0.4),
        "throttled": replace(quick, fault=limited, fault_ratio=0.9),
        "booting": replace(quick, boot=Boot(seconds=900)),
    }


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run an exporter with a target in every state."""
    folder, port = tmp_path_factory.mktemp("browser"), free_port()
    with run_in_thread(Simulator(_scripts())) as simulator:
        where = f"base_url: '{simulator.url}/v1', api_key: {{env: SIM_KEY}}"
        slo = "slo: {success_ratio: 0.99, time_to_first_token: {threshold: 200ms, ratio: 0.95}}"
        (folder / "config.yaml").write_text(f"""
web: {{listen: '127.0.0.1:{port}', grafana_url: 'https://grafana.example'}}
defaults: {{interval: 1s, timeout: 5s, confirm: false, max_uncertainty: 1s}}
probes: {{count: {{prompt: Count.}}}}
budget: {{usd_per_day: 5}}
targets:
  - {{name: good, provider: openai, model: good, {where}, {slo}, labels: {{team: search}},
     price: {{input: 40, output: 160}}}}
  - {{name: slow, provider: openai, model: slow, {where}, {slo}, labels: {{team: search}}}}
  - {{name: flaky, provider: openai, model: flaky, {where}, labels: {{team: chat}}}}
  - {{name: throttled, provider: openai, model: throttled, {where}, labels: {{team: chat}}}}
  - {{name: failing, provider: openai, model: none, {where}, labels: {{team: chat}}}}
  - {{name: booting, provider: openai, model: booting, {where}, boot: {{limit: 1h}}}}
  - {{name: rare, provider: openai, model: good, {where}, interval: 30d}}
""")
        command = exporter("run", "--config", folder / "config.yaml")
        with process(command, folder / "log", SIM_KEY="simulated-key"):
            here = f"http://127.0.0.1:{port}"
            eventually(lambda: states(here), lambda seen: seen == STATES, seconds=120)
            yield here


def states(url: str) -> dict[str, str]:
    rows = httpx.get(f"{url}/api/v1/targets", trust_env=False).json()["targets"]
    return {row["target"]: row["state"] for row in rows}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@contextmanager
def opened(browser: Browser, **options: Any) -> Iterator[Page]:
    """Open a page, and fail on any browser error, except that the exporter isn't reachable. The
    page itself reports that."""
    wrong: list[str] = []
    context = browser.new_context(**options)
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
    yield page
    context.close()
    assert [text for text in wrong if not text.startswith("Failed to load resource")] == []


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with opened(browser, viewport={"width": 1280, "height": 800}) as page:
        yield page


@pytest.mark.parametrize(("width", "scheme"), [*product(WIDTHS, ("light", "dark"))])
@pytest.mark.timeout(300)
def test_every_page_is_accessible_and_fits(
    browser: Browser, url: str, width: str, scheme: str
) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    size, axe = {"width": WIDTHS[width], "height": 800}, Axe()
    with opened(browser, viewport=size, color_scheme=scheme) as page:
        for name, path in PAGES.items():
            page.goto(url + path)
            page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png", full_page=True)
            too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
            assert not too_wide, f"{name} must be scrolled sideways"
            found = axe.run(page)
            assert found.violations_count == 0, f"{name}: {found.generate_report()}"


def test_the_page_keeps_itself_up_to_date_and_what_the_reader_does(page: Page, url: str) -> None:
    page.goto(url)
    page.evaluate("window.untouched = true")
    page.get_by_label("Search").fill("good team")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(f"{url}/?q=good+team")
    first = page.locator("#live-text")
    drawn = page.locator("tbody .times").get_attribute("d")
    expect(page.locator("tbody .times")).not_to_have_attribute("d", drawn or "", timeout=20_000)
    assert page.evaluate("window.untouched"), "it was not loaded anew"
    assert page.evaluate("document.activeElement.id") == "q"
    expect(first).to_have_text("Live")


def test_it_says_when_the_exporter_is_gone(page: Page, url: str) -> None:
    page.goto(url)
    page.route("**/*", lambda route: route.abort())
    expect(page.locator("#live-text")).to_have_text(
        "Can't reach the exporter, retrying", timeout=20_000
    )
    page.unroute_all()
    expect(page.locator("#live-text")).to_have_text("Live", timeout=20_000)


def test_it_can_be_paused(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#live-text")).to_have_text("Paused")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(6_000)
    assert asked == []


def test_it_is_used_by_keyboard(page: Page, url: str) -> None:
    page.goto(url)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("team=chat")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_label("Group by").select_option("model")
    expect(page.locator("tbody .heading")).to_have_count(3)
    page.get_by_role("link", name="Target", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("Target")
    page.go_back()
    expect(page.locator("th[aria-sort=ascending]")).to_have_count(0)


def test_one_state_can_be_chosen(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_role("link", name="1 not ready").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="booting", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("booting")


def test_a_button_probes_now(page: Page, url: str) -> None:
    page.goto(f"{url}/targets/rare")
    expect(page.get_by_text("Not yet probed.")).to_be_visible()
    page.get_by_role("button", name="Probe now").click()
    expect(page.locator("#probe output")).to_have_text("Probed.", timeout=20_000)
    expect(page.locator(".probes .drawing")).to_have_count(1)
    assert states(url)["rare"] == "ok"


def test_all_of_it_works_without_scripts(browser: Browser, url: str) -> None:
    with opened(browser, java_script_enabled=False) as page:
        page.goto(f"{url}/?refresh=off")
        page.get_by_label("Search").fill("good team")
        page.get_by_role("button", name="Apply").click()
        assert page.locator("tbody tr").count() == 1
        page.goto(f"{url}/targets/good")
        before = httpx.get(f"{url}/metrics", trust_env=False).text
        page.get_by_role("button", name="Probe now").click()
        assert page.url == f"{url}/targets/good"
        assert httpx.get(f"{url}/metrics", trust_env=False).text != before
