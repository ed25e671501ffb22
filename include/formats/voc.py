"""Pascal VOC XML (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/): Annotations/, JPEGImages/, ImageSets/Main/.

VOC counts pixels from 1, and a box includes its last one: xmin 1, xmax 10 of an image is our x 0, width 10. So
x = xmin - 1, width = xmax - xmin + 1, whoever wrote the file; written the other way round, a VOC file comes back as it was.

Beside its bndbox an object may have what VOC itself does not know: a polygon (<pt><x/><y/></pt>… of LabelMe, or <x1/><y1/>… of
Roboflow), a robndbox (cx, cy, w, h, angle in radians, of roLabelImg), and parts. Their tools count from 0: taken as written.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from include.formats.places import places
from include.formats.records import (
    Box,
    LabelledImage,
    Labels,
    Layout,
    from_text,
    lost_by,
    number_text,
    packed,
    to_text,
    unpacked,
    unread,
    whole_number,
)
from include.formats.safe_xml import BadXml, Element, SubElement, as_text, elements, to_bytes
from include.formats.tree import Tree, harmless, split_in
from include.formats.voc_shapes import drawn_of, parts_of

HOLDS = {"box attributes"}
OWN = ("pose", "truncated", "difficult", "occluded")  # attributes that have an element of their own


def read(tree: Tree) -> Labels:
    labels = Labels()
    splits = _splits(tree)
    for path, data in tree.contents(tree.label_files(".xml")):
        try:
            for root in elements(data, "annotation"):
                if (image := _image(tree, path, root, splits, labels)) is not None:
                    labels.images.append(image)
        except BadXml as error:
            labels.problems.add(path, str(error), "VOC XML")
    labels.classes = sorted({box.class_name for image in labels.images for box in image.boxes})
    return labels


def _splits(tree: Tree) -> dict[str, str]:
    """Split by image id, from ImageSets/Main/{train,val,test}.txt."""
    found: dict[str, str] = {}
    for path, data in tree.contents(path for path in tree.paths if path.endswith(".txt") and "ImageSets/Main/" in path):
        stem = PurePosixPath(path).stem
        if stem in ("train", "val", "test"):
            found |= {line.strip(): stem for line in data.decode("utf-8", "replace").splitlines() if line.strip()}
    return found


def _image(tree: Tree, path: str, root: Element, splits: dict[str, str], labels: Labels) -> LabelledImage | None:
    name = harmless(root.findtext("filename"))
    if name is None:
        labels.problems.add(path, f"filename {root.findtext('filename')!r:.80}", "a relative path with /")
        return None
    width, height = (whole_number(root.findtext(f"size/{side}")) for side in ("width", "height"))
    found = [_box(path, number, one, labels) for number, one in enumerate(root.findall("object"), 1)]
    folder = str(PurePosixPath(path).parent)
    beside = "/".join("JPEGImages" if part == "Annotations" else part for part in folder.split("/"))
    base = folder.rpartition("Annotations")[0] + "JPEGImages"
    image_id = str(PurePosixPath(path.rpartition("Annotations/")[2]).with_suffix(""))
    labels.lost["segmentations"] += root.findtext("segmented") == "1"
    boxes = tuple(box for box, is_boxed in found if is_boxed)
    others = tuple(box for box, is_boxed in found if not is_boxed) + parts_of(root)
    located = tree.locate(name, beside, base, folder)
    if tree.lacks(located):
        labels.problems.add(path, f"filename {name}", "an image that is there")
    return LabelledImage(located, boxes, width, height, split=splits.get(image_id) or split_in(path), others=others)


def _box(path: str, number: int, one: Element, labels: Labels) -> tuple[Box, bool]:
    """The object, and whether it has a box of its own, and can be read."""
    where, name = f"{path} object {number}", one.findtext("name")
    drawn = drawn_of(one)
    try:
        x0, y0, x1, y1 = (float(one.findtext(f"bndbox/{side}") or "") for side in ("xmin", "ymin", "xmax", "ymax"))
        box, is_boxed = (x0 - 1, y0 - 1, x1 - x0 + 1, y1 - y0 + 1), True
    except ValueError:
        if drawn is None or one.find("bndbox") is not None:
            labels.problems.add(where, "no such numbers", "a bndbox with xmin, ymin, xmax, ymax")
            return unread(as_text(one), name), False
        box, is_boxed = drawn[1], False
        labels.lost["shapes without a box"] += 1
    if not name:
        labels.problems.add(where, "no name", "the class")
        return unread(as_text(one), box_px=box), False
    own = {key: from_text(text) for key in OWN if (text := one.findtext(key)) is not None}
    more = {a.findtext("name") or "": from_text(a.findtext("value") or "") for a in one.findall("attributes/attribute")}
    labels.lost["parts"] += len(one.findall("part"))
    kind, _, geometry = drawn or ("box", None, None)
    return Box(name, *box, attributes=packed({**own, **more}), kind=kind, geometry=geometry), is_boxed


def write(labels: Labels) -> Layout:
    where = places(labels.images, lambda _: "JPEGImages", own_stem=True)
    return Layout(where, _files(labels, where), lost_by(labels.images, HOLDS, is_text=True))


def _files(labels: Labels, where: list[str]) -> Iterator[tuple[str, bytes]]:
    sets: dict[str, list[str]] = {}
    for image, place in zip(labels.images, where, strict=True):
        image_id = str(PurePosixPath(place).with_suffix("")).removeprefix("JPEGImages/")
        sets.setdefault(image.split or "", []).append(image_id)
        yield f"Annotations/{image_id}.xml", to_bytes(_annotation(image, place.removeprefix("JPEGImages/")))
    for split, ids in sets.items():
        if split:
            yield f"ImageSets/Main/{split}.txt", "".join(f"{one}\n" for one in ids).encode()


def _annotation(image: LabelledImage, name: str) -> Element:
    root = Element("annotation")
    SubElement(root, "folder").text = "JPEGImages"
    SubElement(root, "filename").text = name
    size = SubElement(root, "size")
    for side, value in (("width", image.width_px), ("height", image.height_px), ("depth", 3)):
        SubElement(size, side).text = str(value)
    SubElement(root, "segmented").text = "0"
    for box in image.boxes:
        _object(root, box)
    return root


def _object(root: Element, box: Box) -> None:
    one, stated = SubElement(root, "object"), unpacked(box.attributes)
    SubElement(one, "name").text = box.class_name
    for key in OWN:
        if key in stated:
            SubElement(one, key).text = to_text(stated[key])
    corners = SubElement(one, "bndbox")
    sides = {"xmin": box.x_px + 1, "ymin": box.y_px + 1, "xmax": box.x_px + box.width_px, "ymax": box.y_px + box.height_px}
    for side, edge in sides.items():
        SubElement(corners, side).text = number_text(edge)
    if more := {key: value for key, value in stated.items() if key not in OWN}:
        several = SubElement(one, "attributes")
        for key, value in more.items():
            attribute = SubElement(several, "attribute")
            SubElement(attribute, "name").text = key
            SubElement(attribute, "value").text = to_text(value)
