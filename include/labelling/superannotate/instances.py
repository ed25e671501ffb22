"""What SuperAnnotate's annotations of an item say: its picture, instances and tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from include.labelling import drawings
from include.labelling.addresses import as_path
from include.labelling.drawings import Drawing, attributes_json, pairs, to_json
from include.labelling.items import NAN, Picture, Shape
from include.labelling.stamps import utc_text

if TYPE_CHECKING:
    from include.labelling.superannotate.connector import Settings


def annotator(item: Mapping[str, Any]) -> str | None:
    found = item.get("annotator_email") or item.get("annotatorEmail")
    return str(found) if found else None


def picture(document: Mapping[str, Any], settings: Settings) -> Picture:
    item, said = document["item"], document["annotations"]
    metadata = said["metadata"]
    address = (item.get("metadata") or {}).get("path") or item.get("url") or metadata.get("url") or item.get("path")
    is_address = str(address).startswith(("http://", "https://"))
    shapes = [_shape(instance, item, metadata, settings) for instance in said["instances"]]
    shapes += [_tag(tag, item, metadata, settings) for tag in said.get("tags") or []]
    return Picture(
        name=as_path(metadata["name"]),
        shapes=tuple(shapes),
        address=address if is_address else None,
        missing=None if is_address else "SuperAnnotate gives no address of a file in its own storage",
        width_px=float(metadata.get("width") or NAN),
        height_px=float(metadata.get("height") or NAN),
        attributes=attributes_json(item.get("custom_metadata") or item.get("customMetadata") or {}),
    )


def _whose(said: Mapping[str, Any], item: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Who drew it and when: as the instance says, else its item, else the file's last action."""
    last = metadata.get("lastAction") or {}
    made = (said.get("updatedBy") or said.get("createdBy") or {}).get("email")
    return {
        "annotator": made or annotator(item) or annotator(metadata) or last.get("email"),
        "reviewer": item.get("qa_email") or item.get("qaEmail") or metadata.get("qaEmail"),
        "drawn_at": utc_text(said.get("updatedAt") or said.get("createdAt") or last.get("timestamp")),
    }


def _shape(instance: Mapping[str, Any], item: Mapping[str, Any], metadata: Mapping[str, Any], settings: Settings) -> Shape:
    try:
        kind, box_px, geometry = _drawing(instance)
    except drawings.UNREADABLE_ERRORS:
        kind, box_px, geometry = drawings.UNREADABLE
    said = _attributes(instance.get("attributes") or []) | {
        "creation": instance.get("creationType"), "group": instance.get("groupId") or None,
    }  # fmt: skip
    key = instance.get("id") or instance.get("trackingId")
    return Shape(
        kind, instance.get("className"), box_px, to_json(dict(instance)), geometry,
        annotation_id=str(key) if key else None, guideline=settings.guideline, attributes=attributes_json(said),
        **_whose(instance, item, metadata),
    )  # fmt: skip


def _tag(tag: Any, item: Mapping[str, Any], metadata: Mapping[str, Any], settings: Settings) -> Shape:
    kind, box_px, geometry = drawings.tag()
    name = tag.get("name") if isinstance(tag, Mapping) else str(tag)
    return Shape(kind, name, box_px, to_json(tag), geometry, guideline=settings.guideline, **_whose({}, item, metadata))


def _attributes(given: list[Mapping[str, Any]]) -> dict[str, Any]:
    """By the name of their group; several of one group as a list."""
    found: dict[str, list[Any]] = {}
    for one in given:
        found.setdefault(str(one.get("groupName") or one.get("groupId")), []).append(one.get("name"))
    return {group: names[0] if len(names) == 1 else names for group, names in found.items()}


def _drawing(instance: Mapping[str, Any]) -> Drawing:
    given: Any = instance.get("points")
    match instance.get("type"):
        case "bbox":
            return drawings.box_between((given["x1"], given["x2"]), (given["y1"], given["y2"]))
        case "rbbox":
            return drawings.rotated_corners([[float(given[f"x{n}"]), float(given[f"y{n}"])] for n in (1, 2, 3, 4)])
        case "polygon":
            return drawings.polygon([[pairs(given), *map(pairs, instance.get("exclude") or [])]])
        case "polyline":
            return drawings.polyline([pairs(given)])
        case "point":
            return drawings.points(drawings.xy([instance]))
        case "ellipse":
            return drawings.ellipse(instance["cx"], instance["cy"], instance["rx"], instance["ry"], instance.get("angle") or 0)
        case "template":
            return drawings.points(drawings.xy(given), "skeleton", ids=[point.get("id") for point in given])
        case "cuboid":
            return drawings.points(drawings.xy(given[corner] for corner in ("f1", "f2", "r1", "r2")), "cuboid")
        case "tag":
            return drawings.tag()
    return drawings.UNREADABLE
