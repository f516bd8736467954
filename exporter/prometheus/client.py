"""A client for the HTTP API of Prometheus that returns typed series."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from exporter.settings.presentable import presentable, words_of
from exporter.settings.redaction import remember

Answer = TypeVar("Answer", bound=BaseModel)

_TIMEOUT_SECONDS = 60.0
_SHOWN_CHARACTERS = 200
_CHUNK_SECONDS = 86_400.0
"""The time range of one query. A server limits the number of samples that a query can load."""


class HistoryError(Exception):
    """Prometheus doesn't respond, or doesn't have the requested data."""


class _Histogram(BaseModel):
    """The count and sum of a native histogram."""

    count: float
    sum: float


class _Series(BaseModel):
    metric: dict[str, str]
    histograms: list[tuple[float, _Histogram]] = []
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None


class _Data(BaseModel):
    result: list[_Series]


class _Answer(BaseModel):
    data: _Data


class _Values(BaseModel):
    data: list[str]


@dataclass(frozen=True, slots=True)
class Scraped:
    """The raw samples of one series."""

    labels: Mapping[str, str]
    samples: Mapping[float, float]
    """Values by scrape time in Unix seconds. Series of one scrape have the same time."""


def quoted(text: str) -> str:
    """Quote a string for PromQL."""
    return json.dumps(text, ensure_ascii=False)


def matching(**labels: str) -> str:
    """Format label matchers for PromQL, including the braces."""
    return "{" + ",".join(f"{name}={quoted(value)}" for name, value in labels.items()) + "}"


class Prometheus:
    """A connection to the HTTP API of a server. Use it with ``with``.

    :param token_env: the environment variable that holds a bearer token, if the server needs one.
    :raises HistoryError: from every method, if the server doesn't respond.
    """

    def __init__(self, url: str, token_env: str | None) -> None:
        headers = {}
        if token_env:
            if token_env not in os.environ:
                raise HistoryError(f"the variable {token_env} is not set; set it to the token")
            remember(os.environ[token_env])
            headers["authorization"] = f"Bearer {os.environ[token_env]}"
        try:
            self._client = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_SECONDS)
            if password := self._client.base_url.password:
                remember(password)
            self.name = self._client.base_url.host or url
        except httpx.InvalidURL:
            raise HistoryError("--prometheus is not a URL such as http://localhost:9090") from None

    def scraped(self, selector: str, begin: float, end: float) -> Iterator[Scraped]:
        """Yield the raw samples of series in a time range, oldest first.

        A series can come in several parts. A native histogram comes as the series ``_sum`` and
        ``_count`` of a classic one.

        :param begin: Unix seconds, as ``end``.
        """
        while begin < end:
            until = min(end, begin + _CHUNK_SECONDS)
            query = f"{selector}[{round((until - begin) * 1000)}ms]"
            for series in self._query(query, until):
                if series.values:
                    samples = {at: float(value) for at, value in series.values}
                    yield Scraped(series.metric, samples)
                if series.histograms:
                    yield from _as_classic(series)
            begin = until

    def instant(self, query: str, at: float) -> list[tuple[Mapping[str, str], float]]:
        """Evaluate an expression at a point in time; return the labels and value of each series.

        :param at: Unix seconds.
        """
        found = self._query(query, at)
        return [(series.metric, float(series.value[1])) for series in found if series.value]

    def label_values(self, label: str, selector: str) -> list[str]:
        text = self._get(f"api/v1/label/{label}/values", {"match[]": selector})
        return _parse(_Values, text).data

    def _query(self, query: str, at: float) -> list[_Series]:
        text = self._get("api/v1/query", {"query": query, "time": f"{at:.3f}"})
        return _parse(_Answer, text).data.result

    def _get(self, path: str, parameters: Mapping[str, str]) -> str:
        try:
            answer = self._client.get(path, params=parameters)
        except httpx.HTTPError as error:
            raise HistoryError(
                f"cannot reach Prometheus at {self.name}: {words_of(error)}; check --prometheus"
            ) from None
        if answer.status_code != httpx.codes.OK:
            raise HistoryError(
                f"Prometheus at {self.name} responded with {answer.status_code}:"
                f" {presentable(answer.text, _SHOWN_CHARACTERS)}"
            )
        return answer.text

    def __enter__(self) -> Prometheus:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()


def _as_classic(series: _Series) -> Iterator[Scraped]:
    name = series.metric.get("__name__", "")
    counts = {at: histogram.count for at, histogram in series.histograms}
    sums = {at: histogram.sum for at, histogram in series.histograms}
    yield Scraped({**series.metric, "__name__": f"{name}_count"}, counts)
    yield Scraped({**series.metric, "__name__": f"{name}_sum"}, sums)


def _parse(model: type[Answer], text: str) -> Answer:
    try:
        return model.model_validate_json(text)
    except ValidationError:
        raise HistoryError("the response is not from Prometheus; check --prometheus") from None
