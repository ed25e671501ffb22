"""The report for people: likely errors with pictures, the likeliest first, to be filtered without a script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from include import pages
from include.drawing import figure, grid
from tasks.find_label_errors.judge import KINDS
from tasks.find_label_errors.pictures import COLOURS

Row = Mapping[str, Any]
MEANS = {
    "missing": "the champion sees an object, and there is no box",
    "spurious": "there is a box, and the champion sees nothing there that no other box has",
    "swapped": "the champion sees another class in the box",
    "misplaced": "the champion sees the object elsewhere than its box",
}
STYLE = """<style>fieldset { border: 0; margin: .3rem 0; padding: 0; } legend { float: left; width: 6.5rem; color: var(--soft); }
fieldset label { margin-right: .9rem; white-space: nowrap; } figure { scroll-margin-top: 1rem; }
figure img { width: 100%; } :target { outline: 3px solid #ff2d95; outline-offset: 5px; }"""
MOST_CHOICES = 40  # people or classes that can be filtered by: those with the most suspects


@dataclass(frozen=True)
class Reviewed:
    """All that the page tells. `rows`: of SUSPECTS, in order; `pictures`: data URI by rank; `counts`: in words, for the top."""

    title: str
    trained_on: str
    champion: str
    looked_at: str
    trusted_on: str
    rows: Sequence[Row]
    pictures: Mapping[int, str]
    table: str
    unreadable: Sequence[str]


def chosen(rows: Sequence[Row], pictures: int) -> list[Row]:
    """The first of each kind, in the order of all."""
    of_kind = Counter[str]()
    found = []
    for row in rows:
        of_kind[row["kind"]] += 1
        if of_kind[row["kind"]] <= -(-pictures // len(KINDS)):
            found.append(row)
    return found[:pictures] if pictures < len(KINDS) else found


def render(reviewed: Reviewed) -> bytes:
    """The page."""
    shown = [row for row in reviewed.rows if row["rank"] in reviewed.pictures]
    filters = {"kind": [row["kind"] for row in shown], "class": [class_of(row) for row in shown],
               "annotator": [row["annotator"] or "–" for row in shown], "job": [row["job"] or "–" for row in shown]}  # fmt: skip
    chips = {name: [one for one, _ in Counter(values).most_common(MOST_CHOICES)] for name, values in filters.items()}
    chips = {name: values for name, values in chips.items() if len(values) > 1}
    parts = []
    for is_trained_on, said in ((False, "Images that the champion was not trained on"), (True, "Images that it was trained on")):
        figures = [_figure(row, reviewed.pictures[row["rank"]], chips) for row in shown if _is_trained_on(row) == is_trained_on]
        note = _warning(reviewed) if is_trained_on else ""
        parts += [pages.heading(said), note, grid(figures)] if figures else []
    return pages.page(
        reviewed.title,
        pages.paragraph(
            f"Champion {reviewed.champion}, trained on {reviewed.trained_on}, looked at {reviewed.looked_at}.", "soft"),
        pages.paragraph(_verdict(reviewed.rows), "verdict"),
        _counts(reviewed.rows),
        pages.paragraph(
            f"The score is how likely the label is wrong, as far as the champion can be trusted: {reviewed.trusted_on}. It is a "
            f"suspicion, not a verdict: a person decides. All {len(reviewed.rows)} are in {reviewed.table} (Parquet).", "soft"),
        pages.paragraph(f"Not readable, not looked at: {'; '.join(reviewed.unreadable[:20])}") if reviewed.unreadable else "",
        pages.heading(f"The likeliest {len(shown)}, with pictures") if shown else "",
        pages.legend({"given box": COLOURS["given"], "what the champion sees": COLOURS["champion"]}),
        pages.paragraph("Dashed: the other given boxes.", "soft") if shown else "",
        _filters(chips),
        *parts,
    )  # fmt: skip


def class_of(row: Row) -> str:
    """The given class; of a missing box, the one it should have."""
    return str(row["given_class"] or row["likely_class"])


def _is_trained_on(row: Row) -> bool:
    return bool(row["champion_saw"] == "train")


def _verdict(rows: Sequence[Row]) -> str:
    if not rows:
        return "No label looks wrong."
    unseen = sum(not _is_trained_on(row) for row in rows)
    expected = sum(float(row["score"]) for row in rows)
    return (f"{len(rows)} labels look wrong, {unseen} of them in images that the champion was not trained on. By their scores, "
            f"about {expected:.0f} are.")  # fmt: skip


def _counts(rows: Sequence[Row]) -> str:
    of = Counter((row["kind"], _is_trained_on(row)) for row in rows)
    cells = [[kind, MEANS[kind], str(of[kind, False]), str(of[kind, True])] for kind in KINDS]
    return pages.table(["kind", "means", "not trained on", "trained on"], cells, "words")


def _warning(reviewed: Reviewed) -> str:
    return pages.paragraph(
        f"The champion has learned these labels ({reviewed.trained_on}, train), right or wrong. It repeats many of their errors, "
        "so fewer are found here; what is found it did not believe although it was taught."
    )


def _figure(row: Row, source: str, chips: Mapping[str, Sequence[str]]) -> str:
    name = str(row["relpath"])
    who = ", ".join(f"{key} {row[key]}" for key in ("annotator", "job") if row[key])
    lines = [f"{row['rank']}. {row['kind']}, {row['score']:.2f}: {what(row)}", f"{name} ({row['split']})", who]
    values = {"kind": row["kind"], "class": class_of(row), "annotator": row["annotator"] or "–", "job": row["job"] or "–"}
    marks = " ".join(
        f"{key}-{chips[key].index(value) if value in chips[key] else 'x'}" for key, value in values.items() if key in chips
    )
    html = figure(source, name, *(line for line in lines if line))
    return html.replace("<figure>", f"<figure id='suspect-{row['rank']}' class='{marks}'>", 1)


def what(row: Row) -> str:
    """In words: what is given, and what is likely right."""
    nothing = "nothing seen that no other box has"
    seen = f"{row['likely_class']} seen at {row['detection_score']:.2f}" if row["likely_class"] else nothing
    return f"{seen}, no box given" if row["kind"] == "missing" else f"given {row['given_class']}, {seen}"


def _filters(chips: Mapping[str, Sequence[str]]) -> str:
    """Radio buttons; the style hides what is not chosen, so that the page needs no script."""
    fields, rules = [], []
    for name, values in chips.items():
        label = "<label><input type=radio name={0} id={0}-{1}{2}> {3}</label>"
        buttons = [label.format(name, "all", " checked", "all")]
        buttons += [label.format(name, n, "", escape(value)) for n, value in enumerate(values)]
        fields.append(f"<fieldset><legend>{name}</legend>{''.join(buttons)}</fieldset>")
        rules += [f"body:has(#{name}-{n}:checked) .grid > figure:not(.{name}-{n})" for n in range(len(values))]
    hidden = f"{', '.join(rules)} {{ display: none; }}" if rules else ""
    return f"{STYLE}{hidden}</style>{''.join(fields)}"
