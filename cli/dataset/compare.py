"""diff, card: what changed between two versions, down to the box; a version as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.dataset.app import Json, Version, app, open_here, show_json, show_table, version_at
from cli.home import say
from include.errors import BadInputError

if TYPE_CHECKING:  # numpy is slow to import, and most commands need none
    from include.checks.shifts import Shift

SHORT = {"attributes changed": "attributes", "on added images": "on new", "on removed images": "on gone"}  # for 80 columns
Html = Annotated[Path | None, typer.Option("--html", help="write a page with pictures of what changed", metavar="FILE")]


@app.command()
def diff(before: Version, after: Version, json: Json = False, html: Html = None) -> None:
    """Images and boxes that came, went, moved or were relabelled; by class, job and person."""
    from include.storage import ContentStore
    from include.versions.compare.diff import compare
    from include.versions.compare.diff_page import render
    from include.versions.compare.diff_tables import Tables
    from include.versions.compare.shift_gate import shifts_between
    from include.versions.compare.shift_page import shift_parts

    store = open_here()
    content = ContentStore(store)
    one, other = version_at(store, before), version_at(store, after)
    tables = [Tables.read(content, version) for version in (one, other)]
    found, (shifts, rules) = compare(*tables), shifts_between(content, one, other)
    if html is not None:
        html.write_bytes(render(found, one.label, other.label, content.get, shift_parts(shifts, rules)))
    if json:
        return show_json({"before": one.label, "after": other.label, **as_json(found), "shift": shift_json(shifts)})
    say(f"{one.label} → {other.label}")
    show_table(["", *found.image_counts(), "unchanged"], [["images", *found.image_counts().values(), found.unchanged_images]])
    head = [SHORT.get(change, change) for change in found.box_counts()]
    show_table(["", *head, "unchanged"], [["boxes", *found.box_counts().values(), found.unchanged_boxes]])
    for column in ("class_name", "job", "annotator", "reviewer"):
        if (sums := found.by(column)).keys() - {"unknown"}:
            show_table([column.removesuffix("_name"), *head], [[name, *counts.values()] for name, counts in sums.items()])
    show_shift(shifts)
    if html is not None:
        say(f"pictures: {html}")


@app.command()
def card(
    version: Version,
    html: Annotated[Path | None, typer.Argument(help="the file to write", metavar="FILE")] = None,
    json: Json = False,
) -> None:
    """A version as a page: classes, sizes, sites, who labelled it, pictures, what changed. In the store it is made if missing.

    With --json: how far each column has shifted since the version before.
    """
    from include.storage import ContentStore
    from include.versions.compare.card_page import make_page, version_before
    from include.versions.compare.shift_gate import shifts_between

    store = open_here()
    found = version_at(store, version)
    if html is None and not json:
        raise BadInputError("card: got no FILE, expected where to write the page (or --json)")
    if html is not None:
        key = make_page(ContentStore(store), found)
        html.write_bytes(store.read(key))
    if json:
        before = version_before(store, found)
        shifts = shifts_between(ContentStore(store), before, found)[0] if before else {}
        return show_json({"version": found.label, "before": before.label if before else None, "shift": shift_json(shifts)})
    say(f"{html}, from {store.url}/{key}")


def show_shift(shifts: Mapping[str, Sequence[Shift]]) -> None:
    """A row per column: how far all of it moved, and what each split's verdict is."""
    splits = [split for split in shifts if split != "all"]
    rows = [
        [one.column, one.verdict, *("" if value is None else f"{value:.3f}" for value in (one.psi, one.ks, one.p)),
         *(shifts[split][at].verdict for split in splits)]
        for at, one in enumerate(shifts["all"])
    ]  # fmt: skip
    show_table(["shift of", "verdict", "PSI", "KS", "p", *splits], rows)


def shift_json(shifts: Mapping[str, Sequence[Shift]]) -> dict[str, Any]:
    """By split, a record per column, with both histograms."""
    return {split: [asdict(one) for one in some] for split, some in shifts.items()}


def as_json(found: Any) -> dict[str, Any]:
    """Counts, sums, and every change."""
    import pandas as pd

    def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
        plain = frame.astype(object)
        return [{str(name): value for name, value in row.items()} for row in plain.where(plain.notna(), None).to_dict("records")]

    return {
        "images": {**found.image_counts(), "unchanged": found.unchanged_images, "changes": records(found.images)},
        "boxes": {**found.box_counts(), "unchanged": found.unchanged_boxes, "changes": records(found.boxes)},
        "by": {column: found.by(column) for column in ("class_name", "job", "annotator", "reviewer")},
    }
