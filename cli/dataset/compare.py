"""diff, card: what changed between two versions, down to the box; a version as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.dataset.app import Json, Version, app, open_here, show_json, show_table, version_at
from cli.home import say

SHORT = {"attributes changed": "attributes", "on added images": "on new", "on removed images": "on gone"}  # for 80 columns
Html = Annotated[Path | None, typer.Option("--html", help="write a page with pictures of what changed", metavar="FILE")]


@app.command()
def diff(before: Version, after: Version, json: Json = False, html: Html = None) -> None:
    """Images and boxes that came, went, moved or were relabelled; by class, job and person."""
    from include.storage import ContentStore
    from include.versions.compare.diff import compare
    from include.versions.compare.diff_page import render
    from include.versions.compare.diff_tables import Tables

    store = open_here()
    content = ContentStore(store)
    one, other = version_at(store, before), version_at(store, after)
    tables = [Tables.read(content, version) for version in (one, other)]
    found = compare(*tables)
    if html is not None:
        html.write_bytes(render(found, one.label, other.label, content.get))
    if json:
        return show_json({"before": one.label, "after": other.label, **as_json(found)})
    say(f"{one.label} → {other.label}")
    show_table(["", *found.image_counts(), "unchanged"], [["images", *found.image_counts().values(), found.unchanged_images]])
    head = [SHORT.get(change, change) for change in found.box_counts()]
    show_table(["", *head, "unchanged"], [["boxes", *found.box_counts().values(), found.unchanged_boxes]])
    for column in ("class_name", "job", "annotator", "reviewer"):
        if (sums := found.by(column)).keys() - {"unknown"}:
            show_table([column.removesuffix("_name"), *head], [[name, *counts.values()] for name, counts in sums.items()])
    if html is not None:
        say(f"pictures: {html}")


@app.command()
def card(version: Version, html: Annotated[Path, typer.Argument(help="the file to write", metavar="FILE")]) -> None:
    """A version as a page: classes, sizes, sites, who labelled it, pictures, what changed. In the store it is made if missing."""
    from include.storage import ContentStore
    from include.versions.compare.card_page import make_page

    store = open_here()
    key = make_page(ContentStore(store), version_at(store, version))
    html.write_bytes(store.read(key))
    say(f"{html}, from {store.url}/{key}")


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
