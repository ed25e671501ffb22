"""From a folder of label files and images to pictures and shapes, by kind.

COCO is read by include/labelling/coco.py, which keeps what is wrong for the rules to judge; the rest by the readers of
include/formats, which leave it out and say so.

Own readers, and not datumaro's. datumaro 1.13.12 cannot be installed beside ours (it asks for pandas 2), and it is not faithful:
coordinates become 32-bit floats (72.78 is read as 72.77999877929688), a polygon with a box becomes two annotations, and who drew it
is dropped. benchmarks/import_coco.py has the two beside each other.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from include.formats import FORMATS, Box, FormatName, LabelledImage, Labels
from include.formats.records import unpacked
from include.formats.safe_xml import BadXml, refuse_doctype
from include.formats.tree import Tree, size_of
from include.labelling.coco import read_coco
from include.labelling.items import NAN, Labelled, Picture, Refused, Shape
from include.storage.content import in_threads

FORMAT_OF: dict[str, FormatName] = {
    "yolo": "yolo",
    "voc": "voc",
    "cvat_xml": "cvat",
    "datumaro": "datumaro",
    "imagenet": "imagenet",
}
LABEL_FILES = (".json", ".xml", ".txt", ".yaml", ".yml")
SHOWN = 20  # problems that are spelt out


class RecordedTree(Tree):
    """A tree that keeps the label files that were read of it, as they came. `start`: the first bytes of an image."""

    def __init__(self, paths: Sequence[str], read: Callable[[str], bytes], start: Callable[[str], bytes]) -> None:
        super().__init__(paths, read, self.size_or_error)
        self.start = start
        self._kept: dict[str, bytes] = {}

    def contents(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Raises Refused for XML that declares entities."""
        for path, data in super().contents(paths):
            if path.lower().endswith(".xml"):
                try:
                    refuse_doctype(data)
                except BadXml as error:
                    raise Refused(f"{path}: got {error}; expected XML without one") from None
            self._kept[path] = zlib.compress(data, 1)
            yield path, data

    def original(self) -> bytes:
        """A zip of the label files; where there are none, the paths, a line each."""
        if not self._kept:
            return "\n".join(self.paths).encode()
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as made:
            for path, data in self._kept.items():
                # no date: the same files are the same bytes
                made.writestr(zipfile.ZipInfo(path), zlib.decompress(data), zipfile.ZIP_DEFLATED)
        return out.getvalue()

    @cached_property
    def sizes(self) -> dict[str, tuple[int, int] | None]:
        return dict(zip(self.images, in_threads(self._look, self.images), strict=True))

    def _look(self, path: str) -> tuple[int, int] | None:
        return size_of(self.start(path)) or size_of(self.read(path))

    def size_or_error(self, path: str) -> tuple[int, int]:
        """Raises OSError for what is no image."""
        size = self.sizes.get(path)
        if size is None:
            raise OSError(path)
        return size


def read_tree(tree: RecordedTree, kind: str, job: str | None = None) -> Labelled:
    """Addresses of pictures are paths of the tree. `job`: of labels that name none. Raises Refused if nothing can be read."""
    if kind == "coco":
        return _with_job(_coco(tree), job)
    format_ = FORMATS[FORMAT_OF[kind]]
    labels = format_.read(tree)
    problems = list(labels.problems.first)
    if labels.problems.count > len(problems):
        problems.append(f"and {labels.problems.count - len(problems)} more problems")
    is_empty = not any(image.boxes or image.others for image in labels.images)
    if not labels.images or (problems and is_empty):
        raise Refused(
            f"no labels of kind {kind}: {'; '.join(problems[:5]) or f'{len(tree.paths)} files'}; expected {_expected(kind)}"
        )
    pictures = _pictures(tree, labels, format_.states_sizes, problems)
    known = {image.path for image in labels.images}
    if unnamed := [path for path in tree.images if path not in known]:
        problems.append(f"{len(unnamed)} image files that no label file names, e.g. {unnamed[0]}; left out")
    return _with_job(Labelled(tree.original(), pictures, problems=tuple(problems)), job)


def _expected(kind: str) -> str:
    return {
        "yolo": "data.yaml with `names`, images/…, labels/…", "voc": "Annotations/….xml", "imagenet": "<class>/<image>",
        "cvat_xml": "annotations.xml (CVAT for images 1.1)", "datumaro": "annotations/….json (Datumaro)",
    }[kind]  # fmt: skip


def _pictures(tree: RecordedTree, labels: Labels, states_sizes: bool, problems: list[str]) -> tuple[Picture, ...]:
    """One for each file: what several entries say of one is put together."""
    found: dict[str, Picture] = {}
    known = set(tree.images)
    for image in labels.images:
        shapes = tuple(_shape(image, box) for box in (*image.boxes, *image.others))
        if (earlier := found.get(image.path)) is not None:
            problems.append(f"{image.path}: labelled twice; both are taken")
            found[image.path] = replace(earlier, shapes=earlier.shapes + shapes)
            continue
        width, height = image.width_px, image.height_px
        if not states_sizes and "sizes" in tree.__dict__:  # where they were asked for already
            width, height = tree.sizes.get(image.path) or (None, None)
        is_there = image.path in known
        found[image.path] = Picture(
            image.path, shapes, image.path if is_there else None, None if is_there else f"no file {image.path}",
            width or NAN, height or NAN, image.group, _said(image),
        )  # fmt: skip
    return tuple(found.values())


def _said(image: LabelledImage) -> str | None:
    """Its attributes; the split that its place says is one."""
    stated = unpacked(image.attributes) | ({"split": image.split} if image.split else {})
    return json.dumps(stated, sort_keys=True) if stated else None


def _shape(image: LabelledImage, box: Box) -> Shape:
    """`raw` has what was read: the files themselves are in the original."""
    sides = (box.x_px, box.y_px, box.width_px, box.height_px)
    raw = {
        "image": image.path, "class": box.class_name, "kind": box.kind, "bbox": [None if math.isnan(one) else one for one in sides],
        "geometry": json.loads(box.geometry) if box.geometry else None, "attributes": unpacked(box.attributes),
    }  # fmt: skip
    return Shape(
        box.kind, box.class_name or None, sides, json.dumps(raw), box.geometry, image_id=image.path, is_crowd=box.is_crowd,
        annotator=box.annotator, reviewer=box.reviewer, job=box.job, attributes=box.attributes,
    )  # fmt: skip


def _with_job(labelled: Labelled, job: str | None) -> Labelled:
    def signed(shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return tuple(shape if shape.job else replace(shape, job=job) for shape in shapes)

    if job is None:
        return labelled
    pictures = tuple(replace(picture, shapes=signed(picture.shapes)) for picture in labelled.pictures)
    return replace(labelled, pictures=pictures, strays=signed(labelled.strays))


def _coco(tree: RecordedTree) -> Labelled:
    """Every JSON file that is COCO, together: an image that several name is one picture."""
    finder, found, strays, problems = Finder(tree.images), dict[str, Picture](), list[Shape](), list[str]()
    read = 0
    for path, data in tree.contents(tree.label_files(".json")):
        try:
            labelled = read_coco(data)
        except Refused as reason:
            problems.append(f"{path}: {reason}")
            continue
        read += 1
        strays += labelled.strays
        for picture in labelled.pictures:
            placed = finder.placed(picture, path)
            earlier = found.get(placed.name)
            found[placed.name] = placed if earlier is None else replace(earlier, shapes=earlier.shapes + placed.shapes)
    if not read:
        raise Refused(
            f"no COCO file: {'; '.join(problems[:5]) or 'no .json'}; expected images, annotations and categories in JSON"
        )
    more = [f"and {len(problems) - SHOWN} more problems"] if len(problems) > SHOWN else []
    return Labelled(tree.original(), tuple(found.values()), tuple(strays), (*problems[:SHOWN], *more))


class Finder:
    """Finds the file that a file_name means."""

    def __init__(self, images: Sequence[str]) -> None:
        self.images = frozenset(images)
        self.by_name: dict[str, list[str]] = defaultdict(list)
        for path in images:
            self.by_name[path.rpartition("/")[2]].append(path)

    def placed(self, picture: Picture, labels: str) -> Picture:
        """Beside or above the labels, in `images` there, or the only file whose path ends so."""
        if picture.missing is not None:
            return replace(picture, name=f"{labels}/{picture.name}")
        name, folder = str(picture.address), labels.rpartition("/")[0]
        above = folder.rpartition("/")[0]
        for place in (folder, above, f"{folder}/images", f"{above}/images"):
            path = f"{place}/{name}".strip("/")
            if path in self.images:
                return self._at(picture, path)
        ending = [path for path in self.by_name.get(name.rpartition("/")[2], ()) if path.endswith(f"/{name}")]
        if len(ending) == 1:
            return self._at(picture, ending[0])
        said = f"no file {name}" if not ending else f"{len(ending)} files {name}, e.g. {ending[0]} and {ending[1]}"
        return replace(picture, name=f"{folder}/{picture.name}".strip("/"), address=None, missing=said)

    def _at(self, picture: Picture, path: str) -> Picture:
        """An image that is listed twice keeps the mark that tells the two apart."""
        return replace(picture, name=path + picture.name.removeprefix(str(picture.address)), address=path)
