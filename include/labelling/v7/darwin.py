"""What a Darwin JSON says: a picture for each slot of the item, and the shapes on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from include.labelling import drawings
from include.labelling.addresses import as_path
from include.labelling.drawings import Drawing, attributes_json, to_json
from include.labelling.items import NAN, Picture, Shape
from include.labelling.stamps import utc_text

if TYPE_CHECKING:
    from include.labelling.v7.connector import Settings


def pictures(document: Mapping[str, Any], settings: Settings) -> tuple[Picture, ...]:
    item = document["item"]
    slots = item.get("slots") or [{"slot_name": "0"}]
    names = [str(slot.get("slot_name")) for slot in slots]
    by_slot: dict[str, list[Shape]] = {name: [] for name in names}
    for annotation in document["annotations"]:
        wanted = annotation.get("slot_names") or (annotation.get("context_keys") or {}).get("slot_names") or names[:1]
        if settings.annotators is None or _email(annotation.get("annotators")) in settings.annotators:
            by_slot.get(str(wanted[0]), by_slot[names[0]]).append(_shape(annotation, settings))
    stem = as_path(f"{item.get('path') or '/'}/{item['name']}")
    return tuple(
        Picture(
            name=stem if len(slots) == 1 else as_path(f"{stem}/{name}/{slot.get('file_name') or 'image'}"),
            shapes=tuple(by_slot[name]),
            address=_address(slot, settings),
            missing=None if _address(slot, settings) else f"V7 gives no address for slot {name}",
            width_px=float(slot.get("width") or (slot.get("metadata") or {}).get("width") or NAN),
            height_px=float(slot.get("height") or (slot.get("metadata") or {}).get("height") or NAN),
            attributes=attributes_json({"tags": item.get("tags")}),
        )
        for name, slot in zip(names, slots, strict=True)
    )


def _address(slot: Mapping[str, Any], settings: Settings) -> str | None:
    files = slot.get("source_files") or [{}]
    given = files[0].get("url") or slot.get("url")
    if given is None and (key := slot.get("id")):
        return f"v2/teams/{settings.team}/files/{key}/original"
    return given


def _shape(annotation: Mapping[str, Any], settings: Settings) -> Shape:
    drawn = {**annotation, **(annotation.get("data") or {})}
    try:
        kind, box_px, geometry = _drawing(drawn)
    except drawings.UNREADABLE_ERRORS:
        kind, box_px, geometry = drawings.UNREADABLE
    said = {
        "attributes": drawn.get("attributes"),
        "text": (drawn.get("text") or {}).get("text"),
        "instance_id": (drawn.get("instance_id") or {}).get("value"),
        "properties": drawn.get("properties"),
        "score": (drawn.get("inference") or {}).get("confidence"),
    }
    return Shape(
        kind, annotation.get("name"), box_px, to_json(dict(annotation)), geometry,
        annotation_id=annotation.get("id"),
        annotator=_email(annotation.get("annotators")),
        reviewer=_email(annotation.get("reviewers")),
        drawn_at=utc_text(annotation.get("updated_at") or annotation.get("inserted_at")),
        guideline=settings.guideline,
        attributes=attributes_json(said),
    )  # fmt: skip


def _email(people: Any) -> str | None:
    """The last of them."""
    return str(people[-1].get("email") or people[-1].get("full_name")) if people else None


def _drawing(drawn: Mapping[str, Any]) -> Drawing:
    """A polygon carries a bounding_box too, and some others may: the box comes last."""
    if given := drawn.get("polygon"):
        paths = given.get("paths") or [given["path"], *given.get("additional_paths", [])]
        return drawings.polygon([[drawings.xy(path)] for path in paths])
    if given := drawn.get("ellipse"):
        kind, box_px, geometry = drawings.ellipse(*_middle(given["center"]), *_middle(given["radius"]), given.get("angle") or 0)
        # whether the angle is in degrees is not documented; the service's own box does not depend on it
        return kind, drawings.box(*map(drawn["bounding_box"].get, "xywh"))[1] if drawn.get("bounding_box") else box_px, geometry
    if given := drawn.get("line"):
        return drawings.polyline([drawings.xy(path) for path in given.get("paths") or [given["path"]]])
    if given := drawn.get("keypoint"):
        return drawings.points(drawings.xy([given]))
    if given := drawn.get("skeleton"):
        return drawings.points(drawings.xy(given["nodes"]), "skeleton", names=[node.get("name") for node in given["nodes"]])
    if given := drawn.get("cuboid"):
        corners = [[side["x"] + dx * side["w"], side["y"] + dy * side["h"]] for side in given.values() for dx, dy in CORNERS]
        return drawings.points(corners, "cuboid")
    return _box_or_none(drawn)


CORNERS = ((0, 0), (1, 0), (1, 1), (0, 1))


def _box_or_none(drawn: Mapping[str, Any]) -> Drawing:
    if "mask" in drawn or "raster_layer" in drawn:
        return "mask", drawings.NO_BOX, None
    if given := drawn.get("bounding_box"):
        return drawings.box(given["x"], given["y"], given["w"], given["h"])
    return drawings.tag() if "tag" in drawn else drawings.UNREADABLE


def _middle(point: Mapping[str, Any]) -> tuple[Any, Any]:
    return point["x"], point["y"]
