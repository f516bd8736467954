"""Fixtures and settings for all tests."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")  # a slow run on a busy machine isn't a bug
TOOLS = Path(__file__).parents[1] / ".tools" / "bin"


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """Find an external program, such as prometheus, or skip the test."""
    return find_tool


def find_tool(name: str) -> Path:
    found = shutil.which(name, path=f"{TOOLS}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not installed: run `make tools`")
    return Path(found)


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Restore the process-wide logging configuration after a test that changes it."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a test was skipped and REQUIRE_TOOLS=1 is set, as in CI."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("REQUIRE_TOOLS") == "1" and reporter and reporter.stats.get("skipped"):
        reporter.write_line("\nREQUIRE_TOOLS=1: no test may be skipped", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
