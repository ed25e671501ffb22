"""Which pictures of a batch several people labelled, and the boxes that each of them drew there."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.ingest_labels.rows import Row

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
SIDES = ("x_px", "y_px", "width_px", "height_px")
WITH_AREA = frozenset(
    {"box", "rotated_box", "polygon", "ellipse", "mask", "cuboid", "skeleton", "other"}
)  # what has a box to compare


@dataclass(frozen=True)
class Sitting:
    """A picture and who labelled it. A picture is its bytes: deliveries may have it under several names.

    `names`: person → image_key of what they labelled, where it came twice the last. `stands`: the image_key that
    validate_annotations will keep. `is_whole`: each of them labelled all of it, so what one did not draw he says is not there.
    """

    md5: str
    names: dict[str, str]
    stands: str
    is_whole: bool


@dataclass(frozen=True)
class Drawn:
    """N boxes. `row`: in the annotations; `picture`, `person`, `label`: in `sittings`, `people`, `classes`. `boxes_px` (N, 4)."""

    sittings: list[Sitting]
    people: list[str]
    classes: list[str]
    row: Ints
    picture: Ints
    person: Ints
    label: Ints
    is_crowd: Bools
    boxes_px: Floats

    def __len__(self) -> int:
        return len(self.row)


def sittings(images: Sequence[Row], drew: Iterable[tuple[str | None, str | None]], labelled_apart: bool) -> list[Sitting]:
    """Pictures with two people or more, in the order of the images.

    `drew`: image_key and person of the annotations. `labelled_apart`: as in the step's configuration.
    """
    drawers: dict[str, set[str]] = defaultdict(set)
    for key, person in drew:
        if person is not None and key is not None:
            drawers[key].add(person)
    of_bytes: dict[str, list[Row]] = defaultdict(list)
    for image in images:
        if image.get("md5") is not None:
            of_bytes[image["md5"]].append(image)
    return list(_several(of_bytes, drawers, labelled_apart))


def _several(of_bytes: dict[str, list[Row]], drawers: dict[str, set[str]], labelled_apart: bool) -> Iterator[Sitting]:
    for md5, same in of_bytes.items():
        names: dict[str, str] = {}
        is_alone: dict[str, bool] = {}  # image_key → each of its people labelled all of it
        for image in same:
            key, said = image["image_key"], set(json.loads(image.get("annotators") or "[]"))
            drew = drawers.get(key, set())
            names |= dict.fromkeys(sorted(said | drew), key)
            is_alone[key] = labelled_apart or len(drew) < 2 or drew <= said
        if len(names) > 1:
            firsts = {image["delivery"]: image["image_key"] for image in reversed(same)}
            stands = firsts[list(dict.fromkeys(image["delivery"] for image in same))[-1]]
            yield Sitting(md5, names, stands, all(is_alone[key] for key in names.values()))


def drawn(found: Sequence[Sitting], annotations: Sequence[Row]) -> Drawn:
    """What can be compared: what has a class and encloses an area. The rest stands, or validate_annotations sets it aside."""
    picture_of = {(key, person): number for number, one in enumerate(found) for person, key in one.names.items()}
    rows = [
        (position, picture, row)
        for position, row in enumerate(annotations)
        if (picture := picture_of.get((row["image_key"], row["annotator"]))) is not None and _is_comparable(row)
    ]
    people = sorted({person for one in found for person in one.names})
    classes = sorted({row["class_name"] for _, _, row in rows})
    person_at, class_at = ({name: at for at, name in enumerate(names)} for names in (people, classes))
    return Drawn(
        list(found), people, classes,
        row=np.array([position for position, _, _ in rows], np.int64),
        picture=np.array([picture for _, picture, _ in rows], np.int64),
        person=np.array([person_at[row["annotator"]] for _, _, row in rows], np.int64),
        label=np.array([class_at[row["class_name"]] for _, _, row in rows], np.int64),
        is_crowd=np.array([bool(row["is_crowd"]) for _, _, row in rows], np.bool_),
        boxes_px=np.array([[row[side] for side in SIDES] for _, _, row in rows], np.float64).reshape(-1, 4),
    )  # fmt: skip


def _is_comparable(row: Row) -> bool:
    sides = [row[side] for side in SIDES]
    return (
        row["class_name"] is not None
        and (row.get("shape") or "box") in WITH_AREA
        and all(map(math.isfinite, sides))
        and sides[2] > 0 < sides[3]
    )
