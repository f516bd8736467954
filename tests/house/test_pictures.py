"""Pictures of the dashboards have readable values and scales."""

from __future__ import annotations

import pytest

from dashboards.formats import clock, round_times, text, ticks


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (0.0, "s", "0 s"),
        (2.2e-40, "s", "0 s"),
        (-1e-12, "short", "0"),
        (0.312, "s", "312 ms"),
        (0.0000042, "s", "4.2 µs"),
        (90, "s", "1.5 min"),
        (86_400 * 90, "s", "90 d"),
        (3.55e5 * 86_400, "s", "972 years"),
        (1.0, "percentunit", "100 %"),
        (0.9995, "percentunit", "99.95 %"),
        (0.000547, "currencyUSD", "$0.000547"),
        (1234.5, "short", "1.23 K"),
        (62 * 2**20, "bytes", "62 MiB"),
        (0, "bool_yes_no", "No"),
    ],
)
def test_a_value_has_three_digits_and_no_exponent(value: float, unit: str, written: str) -> None:
    assert text(value, unit) == written


@pytest.mark.parametrize(
    ("low", "high", "unit", "places"),
    [
        (0, 0.312, "s", [0, 0.1, 0.2, 0.3, 0.4]),
        (0, 1, "percentunit", [0, 0.25, 0.5, 0.75, 1]),
        (0, 0.93, "percentunit", [0, 0.25, 0.5, 0.75, 1]),
        (-2.1, 1, "percentunit", [-3, -2, -1, 0, 1]),
        (0, 0, "short", [0, 1]),
        (0, 7, "short", [0, 2, 4, 6, 8]),
    ],
)
def test_an_axis_has_round_places_and_no_share_above_all(
    low: float, high: float, unit: str, places: list[float]
) -> None:
    assert ticks(low, high, unit) == pytest.approx(places)


def test_moments_are_round() -> None:
    times = round_times(1_900_000_011, 1_900_000_611)
    assert [clock(time) for time in times] == ["17:48", "17:50", "17:52", "17:54", "17:56"]
