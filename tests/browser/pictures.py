"""Takes screenshots of the pages for the documentation: ``python -m tests.browser.pictures
[MINUTES]``.

They show the demo after several minutes. Uncertain times count too, because the screenshots are no
measurement.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from exporter.app import Exporter
from exporter.config.root import Config
from exporter.demo import KEY_VARIABLE, Fixed, cast_scripts, demo_config
from exporter.simulator import Simulator, run_in_thread
from tests.process import free_port

FOLDER = Path(__file__).parents[2] / "docs" / "pages"
PAGES = {"targets": "/", "target": "/targets/flaky-gateway"}


def _run(port: int) -> None:
    """Run the demo in a separate process."""
    os.environ[KEY_VARIABLE] = "simulated-key"
    with run_in_thread(
        Simulator(cast_scripts(restarts=False) | cast_scripts(restarts=True))
    ) as simulator:
        config = demo_config(f"127.0.0.1:{port}", simulator.url)
        asyncio.run(_exporter(config))


async def _exporter(config: Config) -> None:
    patient = config.defaults.model_copy(update={"max_uncertainty": 5.0})
    await Exporter(Fixed(config.model_copy(update={"defaults": patient}))).run(print)


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 6
    port = free_port()
    demo = multiprocessing.Process(target=_run, args=(port,))
    demo.start()
    try:
        time.sleep(60 * minutes)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            for name, path in PAGES.items():
                page = browser.new_page(viewport={"width": 1280, "height": 860})
                page.goto(f"http://127.0.0.1:{port}{path}")
                page.screenshot(path=FOLDER / f"{name}.png")
    finally:
        demo.terminate()
        demo.join()


if __name__ == "__main__":
    main()
