"""Pictures and boxes as several people drew them: rows of a batch."""

from __future__ import annotations

import json
from typing import Any

from tasks.ingest_labels.answers import Drawn, drawn, sittings
from tasks.ingest_labels.rows import Row


def picture(key: str, *people: str, md5: str = "m1", delivery: str = "d") -> Row:
    return {"image_key": key, "md5": md5, "delivery": delivery, "annotators": json.dumps(people) if people else None}


def box(annotator: str | None, x: float, class_name: str | None = "Tree", image_key: str = "i", **more: Any) -> Row:
    """10×10 px, its left edge at x. Two such boxes that lie d apart overlap by (10 - d) / (10 + d)."""
    sides = {"x_px": x, "y_px": 0.0, "width_px": 10.0, "height_px": 10.0}
    people = {"annotator": annotator, "reviewer": None, "drawn_at": None, "reviewed_at": None}
    what = {"image_key": image_key, "class_name": class_name, "shape": "box", "is_crowd": False}
    return {"annotation_key": f"{annotator}@{x:g}", **what, **sides, **people, **more}


def drawn_by(rows: list[Row], *people: str, labelled_apart: bool = False) -> Drawn:
    """All on one picture."""
    drew = [(row["image_key"], row["annotator"]) for row in rows]
    return drawn(sittings([picture("i", *people)], drew, labelled_apart), rows)
