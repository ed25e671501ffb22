"""CVAT for images 1.1 (https://docs.cvat.ai/docs/manual/advanced/xml_format/): annotations.xml, images/<subset>/….

Corners are continuous, from 0, as ours. Each file is read as a stream: one image at a time. A version holds upright boxes; the
other shapes are read by include/formats/cvat_shapes.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from include.formats.cvat_shapes import SHAPES, shape_of, stated_of
from include.formats.places import places
from include.formats.records import (
    Box,
    LabelledImage,
    Labels,
    Layout,
    lost_by,
    number_text,
    packed,
    to_text,
    unpacked,
    unread,
    whole_number,
)
from include.formats.safe_xml import BadXml, Element, as_text, elements
from include.formats.tree import Tree, harmless
from include.labelling.items import Kind, geometry

HOLDS = {"box attributes"}
SUBSETS = {"train": "train", "validation": "val", "val": "val", "test": "test"}


def read(tree: Tree) -> Labels:
    labels = Labels()
    for path, data in tree.contents(tree.label_files(".xml")):
        try:
            labels.know(one.findtext("name") or "" for one in elements(data, "label") if one.findtext("name"))
            for element in elements(data, "image"):
                if (image := _image(tree, path, element, labels)) is not None:
                    labels.images.append(image)
            if any(True for _ in elements(data, "track")):
                labels.problems.add(path, "tracks (CVAT for video)", "CVAT for images 1.1")
        except BadXml as error:
            labels.problems.add(path, str(error), "CVAT XML")
    labels.know(sorted({box.class_name for image in labels.images for box in image.boxes}))
    return labels


def _image(tree: Tree, path: str, element: Element, labels: Labels) -> LabelledImage | None:
    name = harmless(element.get("name"))
    if name is None:
        labels.problems.add(f"{path} image {element.get('id')}", f"name {element.get('name')!r:.80}", "a relative path with /")
        return None
    found = [_box(f"{path} image {name} box {n}", box, labels) for n, box in enumerate(element.findall("box"), 1)]
    others = [box for box in found if box.kind != "box" or box.unread]
    for shape in SHAPES:
        drawn = [shape_of(f"{path} image {name} {shape} {n}", one, labels) for n, one in enumerate(element.findall(shape), 1)]
        labels.lost[f"{shape} shapes"] += len(drawn)
        others += drawn
    width, height = (whole_number(element.get(side)) for side in ("width", "height"))
    subset = element.get("subset") or ""
    folder = path.rpartition("/")[0]
    located = tree.locate(name, *(f"{folder}/{below}".strip("/") for below in (f"images/{subset}", "images", "")))
    if tree.lacks(located):
        labels.problems.add(f"{path} image {element.get('id')}", f"name {name}", "an image that is there")
    boxes = tuple(box for box in found if box.kind == "box" and not box.unread)
    return LabelledImage(located, boxes, width, height, split=SUBSETS.get(subset.lower()), others=tuple(others))


def _box(where: str, element: Element, labels: Labels) -> Box:
    label = element.get("label") or ""
    try:
        x0, y0, x1, y1 = (float(element.get(side) or "") for side in ("xtl", "ytl", "xbr", "ybr"))
        turned = float(element.get("rotation") or 0) % 360
    except ValueError:
        labels.problems.add(where, "no such numbers", "xtl, ytl, xbr, ybr")
        return unread(as_text(element), label)
    if not label:
        labels.problems.add(where, "no label", "the class")
        return unread(as_text(element), box_px=(x0, y0, x1 - x0, y1 - y0))
    if turned:
        labels.lost["rotated boxes, left out"] += 1
    kind: Kind = "rotated_box" if turned else "box"
    drawn = geometry(angle_deg=turned) if turned else None
    return Box(label, x0, y0, x1 - x0, y1 - y0, attributes=packed(stated_of(element)), kind=kind, geometry=drawn)


def write(labels: Labels) -> Layout:
    where = places(labels.images, lambda image: f"images/{image.split}" if image.split else "images")
    files = [("annotations.xml", "".join(_lines(labels, where)).encode())]
    return Layout(where, files, lost_by(labels.images, HOLDS, is_text=True))


def _lines(labels: Labels, where: list[str]) -> Iterator[str]:
    attributes: dict[str, set[str]] = {name: set() for name in labels.classes}
    for image in labels.images:
        for box in image.boxes:
            attributes[box.class_name] |= unpacked(box.attributes).keys() - {"occluded"}
    yield '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta><task><labels>\n'
    for name, stated in attributes.items():
        named = "".join(
            f"<attribute><name>{escape(one)}</name><input_type>text</input_type></attribute>" for one in sorted(stated)
        )
        yield f"    <label><name>{escape(name)}</name><attributes>{named}</attributes></label>\n"
    yield "  </labels></task></meta>\n"
    for number, (image, place) in enumerate(zip(labels.images, where, strict=True)):
        subset = {"val": "Validation", "train": "Train", "test": "Test"}.get(image.split or "", "")
        name = place.removeprefix("images/").removeprefix(f"{image.split}/")
        head = f'id="{number}" name={quoteattr(name)} subset="{subset}" width="{image.width_px}" height="{image.height_px}"'
        yield f"  <image {head}>\n{''.join(map(_box_text, image.boxes))}  </image>\n"
    yield "</annotations>\n"


def _box_text(box: Box) -> str:
    sides = {"xtl": box.x_px, "ytl": box.y_px, "xbr": box.x_px + box.width_px, "ybr": box.y_px + box.height_px}
    corners = " ".join(f'{side}="{number_text(value)}"' for side, value in sides.items())
    stated = unpacked(box.attributes)
    occluded = int(stated.get("occluded") is True)
    kept = {key: value for key, value in stated.items() if not (key == "occluded" and value is True)}
    inside = "".join(f"<attribute name={quoteattr(key)}>{escape(to_text(value))}</attribute>" for key, value in kept.items())
    return (
        f'    <box label={quoteattr(box.class_name)} source="manual" occluded="{occluded}" {corners} z_order="0">{inside}</box>\n'
    )
