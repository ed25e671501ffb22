"""The sample as a page: every label cut out of its picture, every picture whole, each with the verdicts to choose from.

A plain form without a script. Opened from Airflow (*Spot check*) it can be sent; the stored file alone is only for looking.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from typing import Any

import pyarrow as pa
from PIL import Image

from include import drawing, pages
from include.artifacts import SpotCheck
from include.artifacts.tables import to_frame
from include.spot_checks.form import PLACE, field
from include.spot_checks.sheet import Row
from include.storage import ContentStore
from include.upright import upright_size

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
        window = None if row.box is None else around(data, row.box)
        outlines = [drawing.Outline(box, COLOUR if row.box else OTHERS) for box in boxes]
        shown = f"<img src='{drawing.drawn(data, outlines, LONGER_SIDE_PX, QUALITY, window)}' alt='{escape(name)}'>"
    return (
        f"<figure>{shown}<figcaption><b>{row.item}</b> {escape(caption)}<br>{escape(name)}</figcaption>"
        f"{field(row.item, row.subject)}</figure>"
    )


def around(image: bytes, box: Sequence[float]) -> tuple[int, int, int, int]:
    """The part of the picture to show with a box: x0 y0 x1 y1 px."""
    x, y, width, height = box
    margin = max(LEAST_PX, AROUND * max(width, height))
    with Image.open(io.BytesIO(image)) as opened:
        wide, high = upright_size(opened)
    left, top = max(0, int(x - margin)), max(0, int(y - margin))
    right, bottom = min(wide, int(x + width + margin) + 1), min(high, int(y + height + margin) + 1)
    return left, top, max(right, left + 1), max(bottom, top + 1)
