"""Label Studio's results as shapes: pure, no network. https://labelstud.io/guide/task_format

Coordinates are percent of the image; each result says the size that it was drawn on. Results with one id are one region: its
outline, its labels, and what was answered about it. A region with several labels becomes a shape for each. Boxes turn about
their upper left corner, ellipses about their middle, clockwise.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from include.labelling import drawings
from include.labelling.drawings import Drawing
from include.labelling.items import Shape, geometry
from include.labelling.label_studio.masks import brush_mask, mask_runs

Json = dict[str, Any]
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
    places = {str(one.get("id")): one.get("to_name") for one in annotation.get("result") or []}
    for position, result in enumerate(annotation.get("result") or []):
        by_id.setdefault(str(result.get("id") or f"result-{position}"), []).append(result)
    for key, results in by_id.items():
        outline = next((one for one in results if str(one.get("type")).startswith(OUTLINES) and one.get("value")), None)
        given = like._replace(annotation_id=f"{annotation.get('id')}/{key}", raw=drawings.to_json(results))
        yield from _drawn(outline, results, given) if outline else _said(results, given, places)


def _drawn(outline: Json, results: Sequence[Json], like: Shape) -> Iterator[Region]:
    kind, box, shaped = drawing_of(outline)
    labels = [label for one in results if _is_labels(one) for label in one["value"].get(one["type"]) or []]
    said = {one["from_name"]: _answer(one) for one in results if one.get("type") in NOTES}
    said |= {key: outline[key] for key in ("hidden", "score") if outline.get(key) is not None and outline[key] is not False}
    if texts := (outline.get("meta") or {}).get("text"):
        said["note"] = texts
    for label in dict.fromkeys(labels) or (None,):
        yield Region(
            str(outline.get("to_name")), int(outline.get("item_index") or 0),
            like._replace(kind=kind, class_name=label, box_px=box, geometry=shaped, attributes=_packed(like, said)),
        )  # fmt: skip


def _said(results: Sequence[Json], like: Shape, places: Json) -> Iterator[Region]:
    """Of the picture as a whole: a tag for each choice; other answers, and relations between regions, are kept as they are."""
    for one in results:
        answer = _answer(one)
        about: Json = {"question": one["from_name"]} if one.get("from_name") else {}
        if one.get("type") in ("choices", "taxonomy"):
            tags = [(str(choice) if isinstance(choice, str) else "/".join(choice)) for choice in answer or []]
            shapes = [like._replace(kind="tag", class_name=tag, attributes=_packed(like, about)) for tag in tags]
        else:
            about |= {"answer": answer} if answer is not None else {}
            shapes = [like._replace(kind="other", attributes=_packed(like, about))]
        for shape in shapes:
            place = one.get("to_name") or places.get(str(one.get("from_id")))  # a relation is where it starts
            yield Region(str(place), int(one.get("item_index") or 0), shape)


def drawing_of(result: Json) -> Drawing:
    """Kind, box and geometry in pixels.

    What was drawn on a turned view, or on an image of unknown size, is `other`, without a box: where it lies is not documented.
    """
    width, height, value = result.get("original_width"), result.get("original_height"), result["value"]
    if not width or not height or result.get("image_rotation"):
        return drawings.UNREADABLE
    try:
        return _drawing(str(result["type"]), value, float(width), float(height))
    except drawings.UNREADABLE_ERRORS:
        return drawings.UNREADABLE


def _drawing(kind: str, value: Json, width: float, height: float) -> Drawing:
    turned = float(value.get("rotation") or 0) % 360
    if kind.startswith("polygon"):
        points = [[x * width / 100, y * height / 100] for x, y in value["points"]]
        return drawings.polygon([[points]]) if value.get("closed", True) else drawings.polyline([points])
    if kind.startswith("brush"):
        box, runs = mask_runs(brush_mask(value["rle"], int(width), int(height)))
        return "mask", box, geometry(rle=runs, box_px=box)
    x, y = value["x"] * width / 100, value["y"] * height / 100
    if kind.startswith("rectangle"):
        return _rectangle(x, y, value["width"] * width / 100, value["height"] * height / 100, turned)
    if kind.startswith("ellipse"):
        return drawings.ellipse(x, y, value["radiusX"] * width / 100, value["radiusY"] * height / 100, turned)
    if kind.startswith("keypoint"):
        return drawings.points([[x, y]])
    return drawings.UNREADABLE


def _rectangle(x: float, y: float, width: float, height: float, turned: float) -> Drawing:
    if not turned:
        return drawings.box(x, y, width, height)
    cos, sin = math.cos(math.radians(turned)), math.sin(math.radians(turned))
    middle = x + (width * cos - height * sin) / 2, y + (width * sin + height * cos) / 2
    return drawings.rotated_box(*middle, width, height, turned)


def _is_labels(result: Json) -> bool:
    return str(result.get("type")).endswith("labels") and isinstance(result.get("value"), dict)


def _answer(result: Json) -> Any:
    value = result.get("value")
    if not isinstance(value, dict):
        return None
    kind = str(result.get("type"))
    return value.get("text" if kind == "textarea" else kind, value)


def _packed(like: Shape, said: Json) -> str | None:
    return drawings.attributes_json(json.loads(like.attributes or "{}") | said)
