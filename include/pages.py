"""Plain pages for people: one self-contained HTML file, readable offline, in print, and inside Airflow's frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

# Wherever it is opened: no script runs, nothing is fetched.
POLICY = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
STYLE = """
:root { color-scheme: light; --ink: #1c2430; --soft: #5d6876; --line: #d9dee5; --paper: #fff; --shade: #f5f7f9; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 64rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: .95rem; margin: 1.3rem 0 .4rem; }
p { margin: .4rem 0; max-width: 46rem; } .soft, figcaption { color: var(--soft); font-size: .88rem; }
.verdict { font-size: 1.15rem; background: var(--shade); border-left: 4px solid var(--ink); padding: .7rem 1rem;
  margin: 1.2rem 0; max-width: none; }
table { border-collapse: collapse; } th, td { padding: .32rem .9rem; border-bottom: 1px solid var(--line); text-align: right; }
th { font-weight: 600; border-bottom: 2px solid var(--ink); } 
th:first-child, td:first-child { text-align: left; padding-left: 0; }
table.words th, table.words td { text-align: left; overflow-wrap: anywhere; min-width: 4.8rem; }
table.words td:first-child { white-space: nowrap; }
table.words th { white-space: nowrap; } figcaption { overflow-wrap: anywhere; }
.stopped { border-left-color: #b3261e; } summary { cursor: pointer; }
.unseen { background: var(--shade); border: 1px dashed var(--soft); padding: 2.5rem 1rem; text-align: center; }
td { font-variant-numeric: tabular-nums; } figure { margin: 0; } figure img { max-width: 100%; display: block; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1.2rem; }
.beside { display: flex; flex-wrap: wrap; gap: 1.2rem 2rem; align-items: flex-start; } .beside svg { max-width: 100%; }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .35em 0 1em; vertical-align: -.05em; }
.dark { background: #3a4350; display: inline-block; padding: .1rem .8rem .1rem 0; border-radius: 4px; }
.dark p.soft { color: #fff; max-width: none; }
.pair { display: grid; grid-template-columns: repeat(2, minmax(0, 20rem)); gap: .3rem 1rem; margin: 0 0 1.6rem; }
.pair > p { grid-column: 1 / -1; margin: 0; } .pair img { width: 100%; }
code { background: var(--shade); padding: .1em .3em; overflow-wrap: anywhere; }
"""


def page(title: str, *parts: str) -> bytes:
    """A whole HTML document. `parts` are HTML; `title` is text."""
    head = f"<meta charset=utf-8>{POLICY}<meta name=viewport content='width=device-width'><title>{escape(title)}</title>"
    body = f"<h1>{escape(title)}</h1>{''.join(parts)}"
    return f"<!doctype html><html lang=en><head>{head}<style>{STYLE}</style></head><body>{body}</body></html>".encode()


def paragraph(text: str, kind: str = "") -> str:
    return f"<p class='{kind}'>{escape(text)}</p>"


def heading(text: str, level: int = 2) -> str:
    return f"<h{level}>{escape(text)}</h{level}>"


class Markup(str):
    """HTML already: a cell that is not escaped."""


def link(target: str, text: str) -> Markup:
    return Markup(f"<a href='{escape(target)}'>{escape(text)}</a>")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """Cells are text or Markup; the first column is left-aligned, the others right, unless `kind` is "words"."""
    top = "".join(f"<th scope='col'>{escape(cell)}</th>" for cell in head)
    cells = (((cell if isinstance(cell, Markup) else escape(cell)) for cell in row) for row in rows)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in cells)
    return f"<table class='{kind}'><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def legend(colours: Mapping[str, str]) -> str:
    """Names and their colours."""
    keys = (f"<span class=key style='background:{colour}'></span>{escape(name)}" for name, colour in colours.items())
    return f"<p class=soft>{''.join(keys)}</p>"


def unit_chart(
    curves: Mapping[str, Sequence[tuple[float, float]]], colours: Mapping[str, str], x_title: str, y_title: str
) -> str:
    """Curves in the unit square as inline SVG; the points of each run from left to right, both coordinates in 0…1."""
    side, margin = 320, 56
    marks = [0.0, 0.25, 0.5, 0.75, 1.0]

    def at(x: float, y: float) -> str:
        return f"{margin + x * side:.1f},{margin / 4 + (1 - y) * side:.1f}"

    grid = "".join(
        f"<polyline points='{at(mark, 0)} {at(mark, 1)}' /><polyline points='{at(0, mark)} {at(1, mark)}' />" for mark in marks
    )
    ticks = "".join(
        f"<text x='{margin + mark * side}' y='{margin / 4 + side + 16}' text-anchor=middle>{mark:g}</text>"
        f"<text x='{margin - 7}' y='{margin / 4 + (1 - mark) * side + 4}' text-anchor=end>{mark:g}</text>"
        for mark in marks
    )
    lines = "".join(
        f"<polyline points='{' '.join(at(x, y) for x, y in points)}' stroke='{colours[name]}' stroke-width=2.2 />"
        for name, points in curves.items()
    )
    middle = margin / 4 + side / 2
    return (
        f"<svg viewBox='0 0 {side + margin + 12} {side + margin + 12}' width={side + margin + 12} role=img"
        f" font-size=11 fill=#5d6876><g fill=none stroke=#d9dee5>{grid}</g>{ticks}<g fill=none stroke-linejoin=round>{lines}</g>"
        f"<text x='{margin + side / 2}' y='{side + margin + 6}' text-anchor=middle>{escape(x_title)}</text>"
        f"<text transform='rotate(-90 11 {middle})' x=11 y={middle} text-anchor=middle>{escape(y_title)}</text></svg>"
    )


def bar_chart(bars: Mapping[str, float], title: str, colour: str = "#0b6bcb") -> str:
    """Counts as horizontal bars, inline SVG: name on the left, number at the end. Long names are cut, in full as title."""
    left, widest, row = 150, 230, 20
    most = max([*bars.values(), 1])
    lines = []
    for place, (name, value) in enumerate(bars.items()):
        y, length, short = 24 + place * row, widest * value / most, name if len(name) <= 22 else f"{name[:21]}…"
        lines.append(
            f"<text x={left - 8} y={y + 13} text-anchor=end>{escape(short)}<title>{escape(name)}</title></text>"
            f"<rect x={left} y={y + 2} width='{max(length, 1 if value else 0):.1f}' height={row - 6} fill='{colour}' />"
            f"<text x='{left + length + 6:.1f}' y={y + 13}>{value:,.0f}</text>"
        )
    width, height = left + widest + 60, 30 + len(bars) * row
    head = f"<text x=0 y=14 font-size=13 fill=#1c2430>{escape(title)}</text>"
    return (
        f"<svg viewBox='0 0 {width} {height}' width={width} role=img aria-label='{escape(title)}' font-size=11 fill=#5d6876>"
        f"{head}{''.join(lines)}</svg>"
    )


def side_by_side(parts: Sequence[str]) -> str:
    return f"<div class=beside>{''.join(parts)}</div>"
