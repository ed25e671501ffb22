"""Label Studio's results as shapes: pure, no network. https://labelstud.io/guide/task_format

Coordinates are percent of the image; each result says the size that it was drawn on. Results with one id are one region: its
outline, its labels, and what was answered about it. A region with several labels becomes a shape for each. Boxes turn about
their upper left corner, ellipses about their middle, clockwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from include.labelling.items import NAN, Kind, Shape, enclosing, geometry
from include.labelling.label_studio_masks import brush_mask
from include.labelling.outlines import BoxPx, corners, ellipse_box, mask_runs

Json = dict[str, Any]
Outline = tuple[Kind, BoxPx, str | None]
NOWHERE = (NAN, NAN, NAN, NAN)
OUTLINES = ("rectangle", "polygon", "ellipse", "keypoint", "brush", "bitmask", "vector", "video")
NOTES = ("textarea", "rating", "number", "datetime", "pairwise", "ranker", "taxonomy", "choices")


@dataclass(frozen=True)
class Region:
    """A shape, and the picture that it is of: the name of an image in the labelling configuration, and a page of it."""

    to_name: str
    page: int
    shape: Shape


def regions(annotation: Json, like: Shape) -> Iterator[Region]:
    """What one annotation holds. `like`: who, when, in which job."""
    by_id: dict[str, list[Json]] = {}
    for position, result in enumerate(annotation.get("result") or []):
        by_id.setdefault(str(result.get("id") or f"result-{position}"), []).append(result)
    for key, results in by_id.items():
        outline = next((one for one in results if str(one.get("type")).startswith(OUTLINES) and one.get("value")), None)
        given = replace(like, annotation_id=f"{annotation.get('id')}/{key}", raw=json.dumps(results, ensure_ascii=False))
        yield from _drawn(outline, results, given) if outline else _said(results, given)


def _drawn(outline: Json, results: Sequence[Json], like: Shape) -> Iterator[Region]:
    kind, box, shaped = outline_of(outline)
    labels = [label for one in results if _is_labels(one) for label in one["value"].get(one["type"]) or []]
    said = {one["from_name"]: _answer(one) for one in results if one.get("type") in NOTES}
    said |= {key: outline[key] for key in ("hidden", "score") if outline.get(key) is not None and outline[key] is not False}
    if texts := (outline.get("meta") or {}).get("text"):
        said["note"] = texts
    for label in dict.fromkeys(labels) or (None,):
        yield Region(
            str(outline.get("to_name")), int(outline.get("item_index") or 0),
            replace(like, kind=kind, class_name=label, box_px=box, geometry=shaped, attributes=_packed(like, said)),
        )  # fmt: skip


def _said(results: Sequence[Json], like: Shape) -> Iterator[Region]:
    """Of the picture as a whole: a tag for each choice; other answers, and relations between regions, are kept as they are."""
    for one in results:
        answer = _answer(one)
        about: Json = {"question": one["from_name"]} if one.get("from_name") else {}
        if one.get("type") in ("choices", "taxonomy"):
            tags = [(str(choice) if isinstance(choice, str) else "/".join(choice)) for choice in answer or []]
            shapes = [replace(like, kind="tag", class_name=tag, attributes=_packed(like, about)) for tag in tags]
        else:
            about |= {"answer": answer} if answer is not None else {}
            shapes = [replace(like, kind="other", attributes=_packed(like, about))]
        for shape in shapes:
            yield Region(str(one.get("to_name")), int(one.get("item_index") or 0), shape)


def outline_of(result: Json) -> Outline:
    """Kind, box and geometry in pixels.

    What was drawn on a turned view, or on an image of unknown size, is `other`, without a box: where it lies is not documented.
    """
    width, height, value = result.get("original_width"), result.get("original_height"), result["value"]
    if not width or not height or result.get("image_rotation"):
        return "other", NOWHERE, None
    x, y = (float(value.get(side) or 0) * size / 100 for side, size in (("x", width), ("y", height)))
    turned = float(value.get("rotation") or 0) % 360
    kind = str(result["type"])
    if kind.startswith("rectangle"):
        return _rectangle((x, y, value["width"] * width / 100, value["height"] * height / 100), turned)
    if kind.startswith("ellipse"):
        radii = value["radiusX"] * width / 100, value["radiusY"] * height / 100
        return "ellipse", ellipse_box(x, y, *radii, turned), geometry(points=[[x, y]], radii=radii, angle_deg=turned)
    if kind.startswith("polygon"):
        points = [[px * width / 100, py * height / 100] for px, py in value.get("points") or []]
        if value.get("closed", True):
            return "polygon", enclosing(points), geometry(rings=[points])
        return "polyline", enclosing(points), geometry(points=points)
    if kind.startswith("keypoint"):
        return "points", (x, y, 0.0, 0.0), geometry(points=[[x, y]])
    return _mask(value, int(width), int(height)) if kind.startswith("brush") else ("other", NOWHERE, None)


def _rectangle(box: BoxPx, turned: float) -> Outline:
    if not turned:
        return "box", box, None
    outline = [list(point) for point in corners(*box, turned, about=box[:2])]
    middle_x, middle_y = (sum(point[axis] for point in outline) / 4 for axis in (0, 1))
    flat = (middle_x - box[2] / 2, middle_y - box[3] / 2, box[2], box[3])
    return "rotated_box", enclosing(outline), geometry(rings=[outline], box=flat, angle_deg=turned)


def _mask(value: Json, width: int, height: int) -> Outline:
    try:
        box, runs = mask_runs(brush_mask(value.get("rle") or [], width, height))
    except ValueError:
        return "other", NOWHERE, None
    return "mask", box, geometry(rle=runs, box=box)


def _is_labels(result: Json) -> bool:
    return str(result.get("type")).endswith("labels") and isinstance(result.get("value"), dict)


def _answer(result: Json) -> Any:
    value = result.get("value")
    if not isinstance(value, dict):
        return None
    kind = str(result.get("type"))
    return value.get("text" if kind == "textarea" else kind, value)


def _packed(like: Shape, said: Json) -> str | None:
    whole = json.loads(like.attributes or "{}") | said
    return json.dumps(whole, ensure_ascii=False) if whole else None
