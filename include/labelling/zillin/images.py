"""What Zillin's export says of an image: areas in WKT (absolute pixels), read with shapely, each of a tool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from include.labelling import drawings
from include.labelling.addresses import as_path
from include.labelling.drawings import Drawing, Points, attributes_json, to_json
from include.labelling.items import NAN, Picture, Shape, enclosing
from include.labelling.stamps import utc_text

if TYPE_CHECKING:
    from include.labelling.zillin.connector import Settings


def image_id(data_set: str, image: Mapping[str, Any]) -> str:
    return str(image.get("ImageId") or f"{data_set}/{image['ImageName']}")


def picture(said: Mapping[str, Any], settings: Settings, has_files: bool) -> Picture:
    image, export = said["image"], said["export"]
    tools = {tool["Name"]: tool.get("Type") for tool in export.get("Tools") or []}
    return Picture(
        name=as_path(f"{said['data_set']}/{image['ImageName']}"),
        shapes=tuple(_shapes(image, tools, export, settings)),
        address=image.get("ImageId"),
        missing=None if has_files else "`image` is not set: Zillin's documents name no address for files",
        width_px=float(image.get("Width") or NAN),
        height_px=float(image.get("Height") or NAN),
        attributes=attributes_json({"data_set": said["data_set"]}),
    )


def _shapes(image: Mapping[str, Any], tools: Mapping[str, Any], export: Mapping[str, Any], settings: Settings) -> Iterator[Shape]:
    kept: dict[str, Any] = {
        "job": export.get("ProjectName"),
        "drawn_at": utc_text(image.get("ModifiedAt")),
        "guideline": settings.guideline,
    }
    for annotation in image["Annotations"]:
        for area in annotation.get("Segmentation") or []:
            name = area.get("ClassName")
            try:
                kind, box_px, geometry = _drawing(area["Selection"], tools.get(name))
            except drawings.UNREADABLE_ERRORS:
                kind, box_px, geometry = drawings.UNREADABLE
            attributes = attributes_json({"tool": tools.get(name)})
            yield Shape(kind, name, box_px, to_json(dict(area)), geometry, attributes=attributes, **kept)
        rest = {key: value for key, value in annotation.items() if key != "Segmentation"}
        if rest:  # answers to questions about the image
            yield Shape("tag", None, drawings.NO_BOX, to_json(rest), attributes=attributes_json(rest), **kept)


def _drawing(wkt: str, tool: Any) -> Drawing:
    """Raises ValueError for what is not WKT."""
    import shapely  # GEOS; only who reads labels needs it

    try:
        shape = shapely.from_wkt(wkt)
    except shapely.errors.GEOSException as error:
        raise ValueError(str(error)) from None
    if shape is None or shape.is_empty:
        raise ValueError(f"an empty area: {wkt[:80]!r}")
    parts = list(shape.geoms) if hasattr(shape, "geoms") else [shape]
    match shape.geom_type:
        case "Polygon" | "MultiPolygon":
            return _area([[_points(part.exterior), *map(_points, part.interiors)] for part in parts], tool)
        case "LineString" | "MultiLineString":
            return drawings.polyline([_points(part) for part in parts])
        case "Point" | "MultiPoint":
            return drawings.points([point for part in parts for point in _points(part)])
    raise ValueError(f"expected an area, a line or points, got {shape.geom_type}")


def _area(parts: list[list[Points]], tool: Any) -> Drawing:
    """A Rectangle's area is its box only where its corners are the box's."""
    ring = parts[0][0][:-1]
    if len(parts) == 1 and len(parts[0]) == 1 and tool in ("Rectangle", "RotatedRectangle") and len(ring) == 4:
        left, top, width, height = enclosing(ring)
        corners = {(x, y) for x in (left, left + width) for y in (top, top + height)}
        is_upright = {(x, y) for x, y in ring} == corners
        return drawings.box(left, top, width, height) if is_upright else drawings.rotated_corners(ring)
    return drawings.polygon(parts)


def _points(shape: Any) -> Points:
    return [[float(x), float(y)] for x, y, *_ in shape.coords]
