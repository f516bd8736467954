"""Requests to a running exporter and to Prometheus, on behalf of an agent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import httpx

from exporter.prometheus.client import HistoryError, Prometheus
from exporter.settings.presentable import words_of

Row = dict[str, Any]
_TIMEOUT_SECONDS = 20.0
_PROBE_TIMEOUT_SECONDS = 180.0
_MAX_REFUSAL = 300


class RequestFailed(Exception):
    """The exporter or Prometheus did not answer. The message is for the agent."""


@dataclass(frozen=True, slots=True)
class ExporterApi:
    """The HTTP API of a running exporter."""

    url: str
    user: tuple[str, str] | None = None
    """Name and password, if ``web.config_file`` requires them."""

    def rows(self) -> list[Row]:
        """A row for each target and probe, with its latest result.

        :raises RequestFailed: the exporter does not answer.
        """
        found: list[Row] = self._get("/api/v1/targets", {}, _TIMEOUT_SECONDS).json()["targets"]
        return found

    def probe(self, target: str) -> None:
        """Probe a configured target now, which costs tokens.

        :raises RequestFailed: the target was not probed.
        """
        self._get("/probe", {"target": target}, _PROBE_TIMEOUT_SECONDS)

    def _get(self, path: str, query: dict[str, str], timeout_seconds: float) -> httpx.Response:
        try:
            answer = httpx.get(
                f"{self.url.rstrip('/')}{path}",
                params=query,
                auth=self.user,
                timeout=timeout_seconds,
            )
        except httpx.HTTPError as error:
            raise RequestFailed(
                f"the exporter at {self.url} does not answer: {words_of(error)}"
            ) from None
        if not answer.is_success:
            said = " ".join(answer.text.split())[:_MAX_REFUSAL]
            raise RequestFailed(f"the exporter answers {answer.status_code}: {said}")
        return answer


@dataclass(frozen=True, slots=True)
class History:
    """A Prometheus that scrapes the exporter, with the rules of ``deploy/prometheus``."""

    url: str
    token_env: str | None = None

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The labels and the current value of each series.

        :raises RequestFailed: Prometheus does not answer.
        """
        try:
            with Prometheus(self.url, self.token_env) as prometheus:
                found = prometheus.instant(expression, time.time())
        except HistoryError as error:
            raise RequestFailed(str(error)) from None
        return [(dict(labels), value) for labels, value in found]

    def number(self, expression: str) -> float | None:
        """The largest value of an expression; ``None`` if it has none.

        :raises RequestFailed: Prometheus does not answer.
        """
        values = [value for _, value in self.query(expression) if value == value]
        return max(values, default=None)
