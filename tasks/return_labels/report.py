"""The page that an objection links to: what was objected to, item by item, each with its picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from include import drawing, pages
from include.labelling.items import Objection
from include.storage import ContentStore

SHOWN = 200  # with picture; the others in words
COLOUR = "#ff2d95"


def report(
    source: str, content: ContentStore, said: Mapping[str, Sequence[Objection]], images: Mapping[str, Sequence[str | None]],
    md5s: Mapping[str, str | None], boxes: Mapping[str, Sequence[float]],
) -> bytes:  # fmt: skip
    """`md5s`: by image key; `boxes`: x, y, width, height in px by annotation id and image key, `<image key> <id>`."""
    parts, shown = [pages.paragraph(f"{sum(map(len, said.values()))} labels of {len(said)} items were given back.", "verdict")], 0
    for item, objections in said.items():
        parts.append(pages.heading(item))
        for number, (one, key) in enumerate(zip(objections, images[item], strict=True)):
            md5 = md5s.get(key or "")
            lines = (f"{one.rule}: got {one.got}; expected {one.expected}", one.picture)
            box = boxes.get(f"{key} {one.annotation_id}")
            outlines = [drawing.Outline(box, COLOUR)] if box is not None else []
            try:
                if md5 is None or shown >= SHOWN:
                    raise drawing.NotDrawable
                figure = drawing.figure(drawing.detail(content.get(md5), outlines), one.picture, *lines)
                shown += 1
            except drawing.NotDrawable:
                figure = "".join(pages.paragraph(line) for line in lines)
            parts.append(f"<div id='{escape(item)}-{number}'>{figure}</div>")
    return pages.page(f"Given back to {source}", *parts)


def boxes_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Of the annotations that have numbers for one."""
    sides = ("x_px", "y_px", "width_px", "height_px")
    return {
        f"{row['image_key']} {row['annotation_id']}": [row[side] for side in sides]
        for row in rows
        if all(row[side] == row[side] for side in sides)
    }
