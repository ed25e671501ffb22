"""Shifts as HTML: a row per column, with both distributions drawn small, and the verdict of every split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from include import pages
from include.checks.shifts import Bar, Limits, Shift
from include.versions.compare.version_shifts import WHOLE

BEFORE, AFTER = "#b9c2cd", "#0b6bcb"
COLOURS = {"stable": "#5d6876", "shifted": "#a15c00", "different": "#b3123a", "too few": "#5d6876", "not measured": "#9aa5b1"}
WIDTH_PX, HEIGHT_PX = 132, 34
STYLE = "<style>.shift th, .shift td { padding: .25rem .5rem; white-space: nowrap; font-size: .88rem; }</style>"
Shifts = Mapping[str, Sequence[Shift]]  # by split, `all` first


def shift_parts(shifts: Shifts, limits: Limits) -> list[str]:
    """A sentence, the table, and how it was measured."""
    splits = [split for split in shifts if split != WHOLE]
    head = ["", "before, after", "verdict", "PSI", "KS", "p", "values", *splits]
    by_split = {split: {one.column: one for one in shifts[split]} for split in splits}
    rows = [[*_cells(one), *(_verdict(by_split[split][one.column]) for split in splits)] for one in shifts[WHOLE]]
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return [
        pages.paragraph(in_a_sentence(shifts)),
        pages.legend({"before": BEFORE, "after": AFTER}),
        STYLE,
        f"<div style='overflow-x:auto'><table class=shift><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>",
        pages.paragraph(how(limits), "soft"),
    ]


def in_a_sentence(shifts: Shifts) -> str:
    moved = [one for one in shifts[WHOLE] if one.verdict in ("shifted", "different")]
    if not moved:
        return "No column shifted."
    return f"{len(moved)} of {len(shifts[WHOLE])} columns: {'; '.join(in_words(one, WHOLE) for one in moved)}."


def in_words(shift: Shift, split: str) -> str:
    """`class_name is different in train (PSI 0.41; Tree 91% → 60%)`"""
    where = "" if split == WHOLE else f" in {split}"
    ks = "" if shift.ks is None else f", KS {shift.ks:.2f}"
    if shift.medians is not None:
        most = f"; median {shift.medians[0]:.3g} → {shift.medians[1]:.3g}"
    else:
        moved = max(shift.bars, key=lambda bar: abs(bar.after - bar.before), default=None)
        most = f"; {moved.name} {moved.before:.0%} → {moved.after:.0%}" if moved else ""
    return f"{shift.column} is {shift.verdict}{where} (PSI {shift.psi or 0:.2f}{ks}{most})"


def how(limits: Limits) -> str:
    return (
        f"shifted: PSI from {limits.shifted.psi:g} or KS from {limits.shifted.ks:g} on; different: from {limits.different.psi:g} "
        f"or {limits.different.ks:g} on. PSI over the deciles of what was before, or over names; KS over all values. p: KS test, "
        "or chi-squared for names. The verdict goes by the effect, since of many boxes every p is 0; it is 'too few' where "
        f"chance alone gives such an effect more often than p {limits.max_p:g}. The later version mostly holds the earlier, "
        "so what is new in it has moved further than the numbers say."
    )


def _cells(shift: Shift) -> list[str]:
    return [
        escape(shift.column.replace("_", " ")),
        histogram(shift.bars),
        _verdict(shift),
        *("" if value is None else f"{value:.3f}" for value in (shift.psi, shift.ks)),
        "" if shift.p is None else "&lt; 0.001" if shift.p < 0.001 else f"{shift.p:.3f}",
        f"{shift.before:,} → {shift.after:,}",
    ]


def _verdict(shift: Shift) -> str:
    weight = 600 if shift.verdict in ("shifted", "different") else 400
    said = f"PSI {shift.psi:.3f}, {shift.before:,} → {shift.after:,} values" if shift.psi is not None else "no values"
    return f"<span style='color:{COLOURS[shift.verdict]};font-weight:{weight}' title='{said}'>{shift.verdict}</span>"


def histogram(bars: Sequence[Bar]) -> str:
    """Both sides as inline SVG: what was before as grey bars, what is now as a line of steps over them."""
    if not bars:
        return ""
    most, width = max(max(bar.before, bar.after) for bar in bars), WIDTH_PX / len(bars)
    heights = [[(HEIGHT_PX - 2) * share / most for share in (bar.before, bar.after)] for bar in bars]
    grey = "".join(
        f"<rect x='{at * width + 0.5:.1f}' y='{HEIGHT_PX - old:.1f}' width='{width - 1:.1f}' height='{old:.1f}' fill='{BEFORE}'>"
        f"<title>{escape(bar.name)}: {bar.before:.1%} → {bar.after:.1%}</title></rect>"
        for at, (bar, (old, _)) in enumerate(zip(bars, heights, strict=True))
    )
    steps = " ".join(
        f"{at * width:.1f},{HEIGHT_PX - new:.1f} {(at + 1) * width:.1f},{HEIGHT_PX - new:.1f}"
        for at, (_, new) in enumerate(heights)
    )
    said = "; ".join(f"{bar.name}: {bar.before:.0%} → {bar.after:.0%}" for bar in bars)
    size = f"viewBox='0 0 {WIDTH_PX} {HEIGHT_PX}' width={WIDTH_PX} height={HEIGHT_PX}"
    line = f"<polyline points='{steps}' fill=none stroke='{AFTER}' stroke-width=1.6 pointer-events=none />"
    return f"<svg {size} role=img aria-label='{escape(said)}'>{grey}{line}</svg>"
