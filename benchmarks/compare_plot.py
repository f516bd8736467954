"""Draws plots of the tables that ``benchmarks.compare`` wrote to docs/compare.md:
``python -m benchmarks.compare_plot``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from exporter.compare.report.svg import Axis, Frame, Point

DOCS = Path(__file__).parents[1] / "docs"
_COLOURS = ("#1f6feb", "#d9730d", "#8250df", "#0f8a83")
_STYLE = (
    """<style>
text { font: 11px system-ui, sans-serif; fill: #57606a } .middle { text-anchor: middle }
.end { text-anchor: end } .grid { stroke: #d0d7de } .axis { stroke: #57606a; fill: none }
.line { fill: none; stroke-width: 2 } .fine { stroke-dasharray: 4 3 }
.band { fill: #1a7f37; opacity: .12 }
"""
    + "".join(
        f".line.s{number} {{ stroke: {colour} }} .dot.s{number} {{ fill: {colour} }}\n"
        f"text.s{number} {{ fill: {colour}; font-weight: 600 }}\n"
        for number, colour in enumerate(_COLOURS)
    )
    + "</style>"
)
_WIDTH = 640
_INTERVALS = ("typical", "p50", "p95")


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _rows(text: str, heading: str) -> Iterator[list[str]]:
    """Yield the cells of the table below the line that begins with a heading."""
    lines = iter(text.split(heading, 1)[1].splitlines()[1:])
    for line in lines:
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]
        elif line.strip():
            return


def _share(cell: str) -> float:
    return float(cell.rstrip("%")) / 100


def _legend(names: Sequence[str]) -> str:
    return "".join(
        f'<text class="s{number}" x="60" y="{24 + 15 * number}">{name}</text>'
        for number, name in enumerate(names)
    )


def coverage(text: str) -> str:
    """Draw the coverage of each interval as a dot, and the expected range as a band."""
    _, _, *rows = _rows(text, "coverage of the 95 % intervals")
    frame = Frame(
        Axis(0, len(rows) + 1, "", lambda _: "", own_ticks=(-1,)),
        Axis(0.9, 1.0, "", _percent, own_ticks=(0.9, 0.93, 0.95, 0.97, 1.0)),
        width=_WIDTH,
        height=260,
    )
    series: list[list[Point]] = [[] for _ in _INTERVALS]
    labels = ""
    for place, (before, after, probes, _, *shares) in enumerate(rows, 1):
        x, y = frame.place((place, 0.9))
        for line, label in enumerate((f"{before[:3]}/{after[:3]}", probes), 1):
            labels += f'<text class="middle" x="{x}" y="{y + 14 * line}">{label}</text>'
        for points, share in zip(series, shares, strict=True):
            if share.endswith("%"):
                points.append((place, _share(share)))
    left, top = frame.place((0, 0.97))
    right, bottom = frame.place((len(rows) + 1, 0.93))
    size = f'width="{right - left}" height="{bottom - top}"'
    band = f'<rect class="band" x="{left}" y="{top}" {size}/>'
    dots = [frame.dots(points, f"s{number}", 4.5) for number, points in enumerate(series)]
    title = "Coverage of the 95 % intervals"
    return frame.render(title, _STYLE, band, labels, *dots, _legend(_INTERVALS))


def power(text: str) -> str:
    """Draw how often a real difference is found, by its size."""
    head, _, *rows = _rows(text, "how often a candidate with a slower first token")
    differences = [_share(cell.lstrip("+")) for cell in head[3:]]
    frame = Frame(
        Axis(0.0, differences[-1], "true difference of the median", _percent),
        Axis(0.0, 1.0, "", _percent, own_ticks=(0, 0.25, 0.5, 0.75, 1)),
        width=_WIDTH,
        height=300,
    )
    names = list(dict.fromkeys(f"{shape}, {probes} probes" for _, shape, probes, *_ in rows))
    lines = []
    for judged, shape, probes, *shares in rows:
        if judged == "alone":  # hardly apart from what is judged with all measures
            continue
        points = list(zip(differences, map(_share, shares), strict=True))
        fine = "fine" if judged.startswith("p50") else ""
        number = names.index(f"{shape}, {probes} probes")
        lines.append(frame.line(points, f"s{number} {fine}"))
    return frame.render("Power by true difference", _STYLE, *lines, _legend(names))


def main() -> None:
    text = (DOCS / "compare.md").read_text()
    (DOCS / "compare-coverage.svg").write_text(coverage(text) + "\n")
    (DOCS / "compare-power.svg").write_text(power(text) + "\n")


if __name__ == "__main__":
    main()
