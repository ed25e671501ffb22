"""What a COCO annotation draws: a segmentation of polygons or of run lengths, key points, a turned box; else a box.

Turned is what CVAT gives an attribute `rotation`: degrees about the middle of the bbox, which is that of the upright box.
Polygons stay COCO's flat lists (`flat` in include/labelling/items.py): they are most of a file, and are carried over as text
that Arrow looks through, without becoming numbers (benchmarks/import_coco.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.artifacts.columns import column, text
from include.labelling.files.values import NOT_A_NUMBER, as_id, as_number, attributes, parsed
from include.labelling.items import Kind, enclosing, geometry

NO_BOX = (NOT_A_NUMBER,) * 4
# A list of rings, each of three points or more, x and y in turn. No exponent: 1e999 is no number. No float has 40 digits, and at
# 4,300 no int
NUMBER = r"-?[0-9]{1,39}(?:\.[0-9]{1,39})?"
RING = rf"\[(?:{NUMBER},{NUMBER},){{2,}}{NUMBER},{NUMBER}\]"
FLAT = rf'^{{"flat":\[(?:{RING}[,\]])+}}$'  # of valid JSON
Box = tuple[float, float, float, float]


class Annotation(msgspec.Struct, gc=False):
    """What is read of one, whatever it is; the segmentation as text."""

    id: Any = None
    image_id: Any = None
    category_id: Any = None
    bbox: Any = None
    segmentation: msgspec.Raw = msgspec.Raw(b"null")  # cannot be changed
    keypoints: Any = None
    iscrowd: Any = None
    annotator: Any = None
    reviewer: Any = None
    job: Any = None
    attributes: Any = None


KEYS = frozenset(Annotation.__struct_fields__)
_decode = msgspec.json.Decoder(Annotation).decode


def columns_of_any(annotations: Sequence[Annotation], classes: dict[str, str]) -> dict[str, Any]:
    """The fields of Shape by name, but for `raw`. `classes`: name by id."""
    seen_kinds, flat = segmented([one.segmentation for one in annotations])
    seen = [_drawn(*each) for each in zip(annotations, seen_kinds, flat.to_pylist(), strict=True)]
    kinds, geometries, around = map(list, zip(*seen, strict=True))
    boxes = [other or _box(one.bbox) for one, other in zip(annotations, around, strict=True)]
    ids = {name: [as_id(getattr(one, name)) for one in annotations] for name in ("image_id", "annotator", "reviewer", "job")}
    return {
        **ids, "kind": kinds, "box_px": boxes, "geometry": geometries, "annotation_id": [as_id(one.id) for one in annotations],
        "class_name": [classes.get(as_id(one.category_id) or "") for one in annotations],
        "is_crowd": [one.iscrowd in (1, True, "1") for one in annotations],
        "attributes": [attributes(one.attributes) if one.attributes else None for one in annotations],
    }  # fmt: skip


def annotation_of(raw: msgspec.Raw) -> Annotation:
    """Without a value of what is no object."""
    try:
        return _decode(raw)
    except msgspec.DecodeError:
        found = parsed(bytes(raw))
    if not isinstance(found, dict):
        return Annotation()
    fields = {key: value for key, value in found.items() if key in KEYS}
    if "segmentation" in fields:
        fields["segmentation"] = msgspec.Raw(json.dumps(fields["segmentation"]).encode())
    return Annotation(**fields)


def _box(box: Any) -> Box:
    if not isinstance(box, list) or len(box) != 4:
        return NO_BOX
    x, y, width, height = box
    if type(x) is type(y) is type(width) is type(height) is float and math.isfinite(x + y + width + height):
        return x, y, width, height  # nearly always: four calls less
    return as_number(x), as_number(y), as_number(width), as_number(height)


def _drawn(one: Annotation, kind: Kind, drawn: str | None) -> tuple[Kind, str | None, Box | None]:
    """Kind, geometry, and what encloses it where there is no bbox."""
    around = _around(drawn) if one.bbox is None and kind == "polygon" and drawn else None
    points = one.keypoints
    if isinstance(points, list) and points and len(points) % 3 == 0 and all(math.isfinite(as_number(value)) for value in points):
        parts = json.loads(drawn) if drawn else {}
        return "skeleton", geometry(points=[points[at : at + 3] for at in range(0, len(points), 3)], **parts), around
    if kind == "box" and isinstance(one.attributes, dict) and (angle_deg := as_number(one.attributes.get("rotation")) % 360) > 0:
        return "rotated_box", geometry(angle_deg=angle_deg), None
    return kind, drawn, around


def segmented(raws: Sequence[bytes | msgspec.Raw]) -> tuple[list[Kind], pa.StringArray]:
    """Kind and geometry of each. `raws`: valid JSON."""
    kinds: list[Kind] = ["polygon"] * len(raws)
    flat, others = _flat(raws)
    if not others:
        return kinds, flat
    geometries: list[str | None] = flat.to_pylist()
    rest = [_without_space(bytes(raws[at])) for at in others]
    flat, still_others = _flat(rest)
    for at, drawn in zip(others, flat.to_pylist(), strict=True):
        geometries[at] = drawn
    for at in still_others:
        kinds[others[at]], geometries[others[at]] = _other(rest[at])
    return kinds, column(geometries, pa.string())


def _flat(raws: Sequence[bytes | msgspec.Raw]) -> tuple[pa.StringArray, list[int]]:
    """Each as if it were rings, and where it is not."""
    flat = text(raws, b'{"flat":', b"}")
    are_rings = pc.match_substring_regex(flat, FLAT)
    if are_rings.true_count == len(raws):
        return flat, []
    return flat, np.flatnonzero(~are_rings.to_numpy(zero_copy_only=False)).tolist()


def _without_space(raw: bytes) -> bytes:
    return raw.translate(None, b" \n\r\t") if raw.startswith(b"[") else raw


def _other(raw: bytes) -> tuple[Kind, str | None]:
    if raw.startswith(b"{"):
        said = parsed(raw)
        return ("mask", geometry(rle={key: said.get(key) for key in ("counts", "size")})) if said else ("box", None)
    return ("polygon" if raw.startswith(b"[") and raw != b"[]" else "box"), None


def _around(drawn: str) -> Box:
    numbers = [value for ring in json.loads(drawn)["flat"] for value in ring]
    return enclosing(list(zip(numbers[::2], numbers[1::2], strict=True)))
