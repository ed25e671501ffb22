"""What the body of a Superb AI label says: objects and categories, in the old spelling (className) and the new (class_name)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from include.labelling import drawings
from include.labelling.addresses import as_path
from include.labelling.drawings import Drawing, attributes_json, to_json
from include.labelling.items import NAN, Picture, Shape
from include.labelling.stamps import utc_text

if TYPE_CHECKING:
    from include.labelling.superb_ai.connector import Settings


def annotator(label: Mapping[str, Any]) -> str | None:
    found = label.get("workAssignee") or label.get("lastUpdatedBy")
    return str(found) if found else None


def tags(label: Mapping[str, Any]) -> list[str]:
    return [str(tag.get("name") if isinstance(tag, Mapping) else tag) for tag in label.get("tags") or []]


def picture(document: Mapping[str, Any], settings: Settings, address: str | None) -> Picture:
    label, info = document["label"], document["info"]
    result = info.get("result", info) or {}
    size = (info.get("meta") or {}).get("image_info") or {}
    whose = {
        "annotator": annotator(label), "reviewer": label.get("reviewer"), "job": str(label["id"]),
        "drawn_at": utc_text(label.get("lastUpdatedAt")), "reviewed_at": utc_text(label.get("lastReviewedAt")),
        "guideline": settings.guideline,
    }  # fmt: skip
    shapes = [_shape(drawn, whose) for drawn in result.get("objects") or []]
    shapes += [_tag(one, whose) for one in _properties((result.get("categories") or {}).get("properties") or [])]
    return Picture(
        name=as_path(f"{label['dataset']}/{label['dataKey']}"),
        shapes=tuple(shapes),
        address=address,
        missing=None if address else "Superb AI gives no address for it",
        width_px=float(size.get("width") or NAN),
        height_px=float(size.get("height") or NAN),
        attributes=attributes_json({"tags": tags(label)}),
    )


def _either(said: Mapping[str, Any], new: str, old: str) -> Any:
    return said[new] if new in said else said.get(old)


def _shape(drawn: Mapping[str, Any], whose: Mapping[str, Any]) -> Shape:
    try:
        kind, box_px, geometry = _drawing(str(_either(drawn, "annotation_type", "annotationType")), drawn["annotation"])
    except drawings.UNREADABLE_ERRORS:
        kind, box_px, geometry = drawings.UNREADABLE
    said = dict(_properties(drawn.get("properties") or [])) | {"tracking": _either(drawn, "tracking_id", "trackingId") or None}
    return Shape(
        kind, _either(drawn, "class_name", "className"), box_px, to_json(dict(drawn)), geometry,
        annotation_id=drawn.get("id"), attributes=attributes_json(said), **whose,
    )  # fmt: skip


def _tag(said: tuple[str, Any], whose: Mapping[str, Any]) -> Shape:
    kind, box_px, geometry = drawings.tag()
    return Shape(
        kind, said[0], box_px, to_json({said[0]: said[1]}), geometry, attributes=attributes_json({said[0]: said[1]}), **whose
    )


def _properties(given: list[Mapping[str, Any]]) -> list[tuple[str, Any]]:
    """Names and what was chosen or written, in any of the spellings."""
    return [
        (
            str(_either(one, "property_name", "propertyName") or one.get("name")),
            _either(one, "option_names", "optionNames") or _either(one, "option_name", "optionName") or one.get("value"),
        )
        for one in given
    ]


def _drawing(kind: str, annotation: Mapping[str, Any]) -> Drawing:
    coord = annotation["coord"]
    match kind:
        case "box":
            return drawings.box(coord["x"], coord["y"], coord["width"], coord["height"])
        case "rbox":
            return drawings.rotated_box(coord["cx"], coord["cy"], coord["width"], coord["height"], coord["angle"])
        case "polygon":
            return drawings.polygon([[drawings.xy(ring) for ring in part] for part in _parts(coord["points"], 3)])
        case "polyline":
            return drawings.polyline([drawings.xy(line) for line in _parts(coord["points"], 2)])
        case "keypoint":
            nodes = coord["graph"]["nodes"]
            return drawings.points(drawings.xy(nodes), "skeleton", names=[node.get("name") for node in nodes])
        case "cuboid2d":
            return drawings.points([[float(number) for number in corner] for corner in _corners(coord)], "cuboid")
    return drawings.UNREADABLE


def _parts(points: Any, depth: int) -> Any:
    """Nested `depth` lists deep: [part][ring][point] for polygons. Old ones are one flat list."""
    found, inner = 1, points
    while isinstance(inner, list) and inner and isinstance(inner[0], list):
        found, inner = found + 1, inner[0]
    for _ in range(depth - found):
        points = [points]
    return points


def _corners(coord: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Every point of the two faces, however they are named."""
    if "x" in coord and "y" in coord and not isinstance(coord["x"], Mapping):
        return [(coord["x"], coord["y"])]
    return [corner for part in coord.values() if isinstance(part, Mapping) for corner in _corners(part)]
