"""The sample as a page: every label cut out of its picture, every picture whole, each with the verdicts to choose from.

A plain form without a script. Opened from Airflow (*Spot check*) it can be sent; the stored file alone is only for looking.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from typing import Any

import pyarrow as pa
from PIL import Image, ImageOps

from include import drawing, pages
from include.artifacts import SpotCheck
from include.artifacts.tables import to_frame
from include.spot_checks.form import PLACE, field
from include.spot_checks.sheet import Row
from include.storage import ContentStore

PAGE = "spot_check.html"
COLOUR, OTHERS = "#ff2d95", "#2dd4ff"
AROUND = 1.0  # of a label's longer side, what is shown of the picture on each side of it
LEAST_PX = 48  # on each side
QUALITY, LONGER_SIDE_PX = 72, 280


def page(card: SpotCheck, rows: Sequence[Row], annotations: pa.Table, content: ContentStore) -> bytes:
    """HTML. All labels of a whole picture are drawn on it; a label's neighbours are not, so that it is judged alone."""
    wanted = {row.image_key for row in rows if row.subject == "image"}
    boxes = to_frame(annotations.select(["image_key", "x_px", "y_px", "width_px", "height_px"]))
    of_picture = {key: some.iloc[:, 1:].to_numpy() for key, some in boxes[boxes["image_key"].isin(wanted)].groupby("image_key")}
    labels = [_figure(row, content, [row.box]) for row in rows if row.subject == "annotation"]
    wholes = [_figure(row, content, list(of_picture.get(row.image_key, ()))) for row in rows if row.subject == "image"]
    ask = "Is each label right? What you leave open is not counted. Sent verdicts are kept with your name; you can change them."
    return pages.page(
        f"Spot check of {card.source}, batch {card.batch_id}",
        PLACE,
        pages.paragraph(ask),
        "<form method=post>",
        *([pages.heading("Labels"), drawing.grid(labels)] if labels else []),
        *([pages.heading("Whole pictures"), pages.paragraph("Is an object without a label?"), drawing.grid(wholes)]
          if wholes else []),
        "<p><button type=submit>Send the verdicts</button></p></form>",
    )  # fmt: skip


def _figure(row: Row, content: ContentStore, boxes: Sequence[Any]) -> str:
    data = content.get(row.md5)
    caption = row.class_name or f"{len(boxes)} labels"
    name = row.image_key.rpartition("/")[2]
    if drawing.unreadable(data):
        shown = pages.paragraph(f"{name} cannot be drawn")
    else:
        if row.box is not None:
            data, boxes = cut_out(data, row.box)
        outlines = [drawing.Outline(box, COLOUR if row.box else OTHERS) for box in boxes]
        shown = f"<img src='{drawing.drawn(data, outlines, LONGER_SIDE_PX, QUALITY)}' alt='{escape(name)}'>"
    return (
        f"<figure>{shown}<figcaption><b>{row.item}</b> {escape(caption)}<br>{escape(name)}</figcaption>"
        f"{field(row.item, row.subject)}</figure>"
    )


def cut_out(image: bytes, box: Sequence[float]) -> tuple[bytes, list[list[float]]]:
    """The part of the picture around a box, and the box in it."""
    x, y, width, height = box
    around = max(LEAST_PX, AROUND * max(width, height))
    with Image.open(io.BytesIO(image)) as opened:
        whole = ImageOps.exif_transpose(opened).convert("RGB")
    left, top = max(0, int(x - around)), max(0, int(y - around))
    right, bottom = min(whole.width, int(x + width + around) + 1), min(whole.height, int(y + height + around) + 1)
    part = whole.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
    out = io.BytesIO()
    part.save(out, "PNG")
    return out.getvalue(), [[x - left, y - top, width, height]]
