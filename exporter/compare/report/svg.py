"""Charts as inline SVG: frames with axes, lines and dots. The page's CSS sets the colors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 10, 34
_TICK_STEPS = (1, 2, 5, 10)
_DECADES = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps values to positions between 0 and 1, and chooses the ticks."""

    low: float
    high: float
    label: str
    text: Callable[[float], str]
    log: bool = False
    own_ticks: tuple[float, ...] = ()

    def at(self, value: float) -> float:
        low, high, value = (self._scaled(v) for v in (self.low, self.high, value))
        return min(1.0, max(0.0, (value - low) / (high - low)))

    def ticks(self) -> Sequence[float]:
        if self.own_ticks:
            return self.own_ticks
        found = list(_log_ticks(self.low, self.high)) if self.log else []
        return found if len(found) > 1 else list(_even_ticks(self.low, self.high))

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else value


def _even_ticks(low: float, high: float, about: int = 5) -> Iterator[float]:
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * step for step in _TICK_STEPS if power * step >= rough)
    number = math.ceil(low / step - 1e-9)
    while number * step <= high * (1 + 1e-9):
        yield number * step
        number += 1


def _log_ticks(low: float, high: float) -> Iterator[float]:
    steps = _DECADES if high / low < 100 else (1,)
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        yield from (s * 10.0**power for s in steps if low <= s * 10.0**power <= high)


@dataclass(frozen=True, slots=True)
class Frame:
    """The area of a chart."""

    x: Axis
    y: Axis
    width: int = 420
    height: int = 230

    def place(self, point: Point) -> Point:
        x = _LEFT + self.x.at(point[0]) * (self.width - _LEFT - _RIGHT)
        y = self.height - _BOTTOM - self.y.at(point[1]) * (self.height - _TOP - _BOTTOM)
        return round(x, 1), round(y, 1)

    def line(self, points: Sequence[Point], style: str, *, steps: bool = False) -> str:
        """Draw a line through points; with ``steps``, each value holds until the next one."""
        path = ""
        for number, (x, y) in enumerate(map(self.place, points)):
            path += f"M{x} {y}" if number == 0 else f"H{x}V{y}" if steps else f"L{x} {y}"
        return f'<path class="line {style}" d="{path}"/>'

    def dots(self, points: Sequence[Point], style: str, radius: float = 2) -> str:
        places = map(self.place, points)
        circles = "".join(f'<circle cx="{x}" cy="{y}" r="{radius}"/>' for x, y in places)
        return f'<g class="dot {style}">{circles}</g>'

    def strokes(self, xs: Sequence[float], style: str) -> str:
        """Draw short marks at the upper edge."""
        path = "".join(f"M{self.place((x, 0))[0]} {_TOP - 6}v10" for x in xs)
        return f'<path class="stroke {style}" d="{path}"/>'

    def band(self, low: float, high: float, style: str) -> str:
        """Draw a band over the full height, with a minimum width that keeps it visible."""
        left, right = (self.place((x, 0))[0] for x in (low, high))
        width = max(3.0, round(right - left, 1))
        height = self.height - _BOTTOM - _TOP
        box = f'x="{left}" y="{_TOP}" width="{width}" height="{height}"'
        return f'<rect class="{style}" {box}/>'

    def render(self, title: str, *parts: str) -> str:
        """Return the whole chart.

        :param title: a description for screen readers.
        """
        box = f"0 0 {self.width} {self.height}"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="{box}" role="img"'
            f' aria-label="{escape(title)}">{"".join(self._axes())}{"".join(parts)}</svg>'
        )

    def _axes(self) -> Iterator[str]:
        bottom, right = self.height - _BOTTOM, self.width - _RIGHT
        for tick in self.y.ticks():
            y = self.place((self.x.low, tick))[1]
            yield f'<path class="grid" d="M{_LEFT} {y}H{right}"/>'
            yield _text("tick end", _LEFT - 5, y + 3.5, self.y.text(tick))
        for tick in self.x.ticks():
            x = self.place((tick, self.y.low))[0]
            yield f'<path class="axis" d="M{x} {bottom}v4"/>'
            yield _text("tick middle", x, bottom + 15, self.x.text(tick))
        yield f'<path class="axis" d="M{_LEFT} {bottom}H{right}"/>'
        yield _text("label middle", (_LEFT + right) / 2, self.height - 4, self.x.label)


def _text(style: str, x: float, y: float, text: str) -> str:
    return f'<text class="{style}" x="{x}" y="{y}">{escape(text)}</text>'
