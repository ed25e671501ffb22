"""What the answers of a Sama task say: the shapes of each output, and the other answers as attributes of the picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from include.labelling import drawings
from include.labelling.addresses import as_path
from include.labelling.drawings import Drawing, Points, attributes_json, to_json
from include.labelling.items import Picture, Shape, enclosing
from include.labelling.stamps import utc_text

if TYPE_CHECKING:
    from include.labelling.sama.connector import Settings

CLASS_TAGS = ("class", "label", "name")


def picture(task: Mapping[str, Any], settings: Settings) -> Picture:
    data, answers = task["data"], task["answers"]
    outputs = {name: answer for name, answer in answers.items() if isinstance(answer, Mapping) and "shapes" in answer}
    shapes = [
        shape for name, answer in outputs.items() for drawn in answer["shapes"] for shape in _shapes(name, drawn, task, settings)
    ]
    address = data.get(settings.image_field)
    inputs = {name: value for name, value in data.items() if name != settings.image_field}
    group = data.get(settings.group_field) if settings.group_field else None
    return Picture(
        name=as_path(data.get(settings.name_field) or _file_name(address) or task["id"]),
        shapes=tuple(shapes),
        address=address,
        missing=None if address else f"the task has no input {settings.image_field!r}: is `image_field` right?",
        group=str(group) if group is not None else None,
        attributes=attributes_json(inputs | {name: answer for name, answer in answers.items() if name not in outputs}),
    )


def _file_name(address: Any) -> str:
    return unquote(urlsplit(str(address or "")).path).rpartition("/")[2]


def _shapes(output: str, drawn: Mapping[str, Any], task: Mapping[str, Any], settings: Settings) -> Iterator[Shape]:
    """One for each key location; a picture has one, a video several."""
    locations = drawn.get("key_locations") or [drawn]
    for number, location in enumerate(locations, 1):
        tags = {**(drawn.get("tags") or {}), **(location.get("tags") or {})}
        try:
            kind, box_px, geometry = _drawing(str(drawn.get("type")), location)
        except drawings.UNREADABLE_ERRORS:
            kind, box_px, geometry = drawings.UNREADABLE
        frame = location.get("frame_number")
        said = tags | {"output": output, "frame": frame or None, "visible": False if location.get("visibility") == 0 else None}
        key = "/".join(map(str, [output, drawn.get("index", ""), *([number] if len(locations) > 1 else [])]))
        yield Shape(
            kind, _class(tags, settings), box_px, to_json(dict(drawn)), geometry,
            annotation_id=key, job=str(task["batch_id"]) if task.get("batch_id") else None,
            drawn_at=utc_text(task.get("completed_at") or task.get("submitted_at") or task.get("delivered_at")),
            guideline=settings.guideline, attributes=attributes_json(said),
        )  # fmt: skip


def _class(tags: Mapping[str, Any], settings: Settings) -> str | None:
    if settings.class_tag is not None:
        found = tags.get(settings.class_tag)
    else:
        by_name = {str(name).lower(): value for name, value in tags.items()}
        found = next((by_name[name] for name in CLASS_TAGS if name in by_name), None)
        if found is None and len(tags) == 1:
            found = next(iter(tags.values()))
    return None if found is None else str(found)


def _drawing(kind: str, location: Mapping[str, Any]) -> Drawing:
    points = [[float(x), float(y)] for x, y in location["points"]]
    if not points:
        raise ValueError("a shape without points")
    match kind:
        case "rectangle":
            return _rectangle(points)
        case "polygon":
            return drawings.polygon([[points]])
        case "line" | "arrow":
            return drawings.polyline([points])
        case "point":
            return drawings.points(points)
        case "cuboid":
            return drawings.points(points, "cuboid")
    return drawings.points(points, "other")


def _rectangle(points: Points) -> Drawing:
    """What encloses the points, however many; four that lie askew are a rotated box."""
    left, top, width, height = enclosing(points)
    corners = {(x, y) for x in (left, left + width) for y in (top, top + height)}
    if len(points) == 4 and not all(min(abs(x - a) + abs(y - b) for a, b in corners) <= 1e-6 for x, y in points):
        return drawings.rotated_corners(points)
    return drawings.box(left, top, width, height)
