"""What a connector read, as COCO: to be compared with files worked out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from include.labelling.items import Labelled, Shape

CASES = Path(__file__).resolve().parent / "cases" / "labelling"


def case(name: str) -> Any:
    """`labelbox/consensus` → what the service says."""
    return json.loads((CASES / f"{name}.json").read_text())


def coco_of(labelled: Labelled) -> dict[str, list[Any]]:
    names: list[str | None] = []
    images, annotations = [], []
    for image_id, picture in enumerate(labelled.pictures, 1):
        size = [None if math.isnan(side) else side for side in (picture.width_px, picture.height_px)]
        images.append({"id": image_id, "file_name": picture.name, "width": size[0], "height": size[1]})
        for shape in picture.shapes:
            if shape.class_name not in names:
                names.append(shape.class_name)
            place = {"id": len(annotations) + 1, "image_id": image_id, "category_id": names.index(shape.class_name) + 1}
            annotations.append(place | _annotation(shape))
    return {
        "images": images,
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, 1)],
        "annotations": annotations,
    }


def _annotation(shape: Shape) -> dict[str, Any]:
    drawn = json.loads(shape.geometry or "{}")
    rings = drawn.get("rings") or [ring for part in drawn.get("parts", []) for ring in part]
    said = {
        "shape": shape.kind,
        "bbox": None if math.isnan(shape.box_px[0]) else pytest.approx(shape.box_px, abs=0.01),
        "segmentation": [pytest.approx(_flat(ring), abs=0.01) for ring in rings],
        "points": pytest.approx(_flat(drawn["points"]), abs=0.01) if "points" in drawn else None,
        "attributes": json.loads(shape.attributes) if shape.attributes else None,
        **{name: getattr(shape, name) for name in ("annotator", "reviewer", "job", "drawn_at")},
    }
    return {name: value for name, value in said.items() if value not in (None, [])} | {"bbox": said["bbox"]}


def _flat(points: list[list[float]]) -> list[float]:
    return [number for point in points for number in point]
