"""The queries about real traffic return results for the real programs' metrics."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import pytest

from tests.process import eventually
from tests.prometheus import Prometheus, running_prometheus
from tests.queries import DASHBOARDS, Query, dashboard, panels

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PAGES = sorted((Path(__file__).parents[1] / "fixtures" / "gateways").glob("*.txt"))
_SAMPLE = re.compile(r"^([a-z0-9_:]+(?:{.*})?) (\S+)$", re.MULTILINE)


def grown(page: str, times: int) -> str:
    """Return the page after this many times the traffic."""
    return _SAMPLE.sub(lambda match: f"{match[1]} {float(match[2]) * times}", page)


@contextmanager
def exporting(page: str) -> Iterator[str]:
    """Run a server whose traffic continues steadily, and yield its URL."""
    scrapes = count(1)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = grown(page, next(scrapes)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def queries(program: str) -> Iterator[Query]:
    """Yield the queries of all dashboards that use this program's series."""
    for path in DASHBOARDS:
        for panel in panels(dashboard(path)):
            for target in panel["targets"]:
                if re.search(rf"\b{program}[_:]", target["expr"]):
                    yield Query(f"{panel['title']} {target['refId']}", target["expr"])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_query_about_a_program_is_answered_by_its_own_series(
    path: Path, tool: Callable[[str], Path], tmp_path: Path
) -> None:
    program = path.stem.partition("-")[0]
    asked = list(queries(program))
    assert len(asked) >= 3
    with (
        exporting(path.read_text()) as url,
        running_prometheus(tool("prometheus"), tmp_path, url) as seen,
    ):
        eventually(lambda: seen.query("count_over_time(up[1m])"), lambda n: bool(n) and n[0] > 4)
        answers = {query.where: _answer(seen, query) for query in asked}
    assert [where for where, values in answers.items() if not all(map(math.isfinite, values))] == []
    assert [where for where, values in answers.items() if not values] == []


def _answer(seen: Prometheus, query: Query) -> list[float]:
    return seen.query(query.with_variables({"__rate_interval": "30s", "__interval": "30s"}))
