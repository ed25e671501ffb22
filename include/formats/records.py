"""One plain record of a labelled image, which every label format is read into and written from.

A box is left and top edge and size in pixels of the image, continuous: the first pixel covers 0 to 1. Attributes are a JSON
object as text (null: none), as in the tables of a version. Paths are relative and use `/`.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from include.errors import BadInputError
from include.labelling.items import Kind

Plain = str | int | float | bool
UNREAD_LENGTH = 1000
SHOWN = 20  # problems that a message spells out
WHO = ("annotator", "reviewer", "job")


@dataclass(frozen=True, slots=True)
class Box:
    """About 300 bytes: a data set's boxes are in memory while it is read.

    `kind`, `geometry`: of a shape that is more than its box, as in include/labelling/items.py. The box is what encloses it, or
    what the geometry's `angle_deg` turns; NaN where there is none (a tag).
    """

    class_name: str
    x_px: float
    y_px: float
    width_px: float
    height_px: float
    is_crowd: bool = False
    annotator: str | None = None
    reviewer: str | None = None
    job: str | None = None
    attributes: str | None = None
    kind: Kind = "box"
    geometry: str | None = None
    unread: str | None = None  # as it came, where not all of it could be read: such a box is one of an image's `others`


def unread(came: str, class_name: str | None = None, box_px: tuple[float, float, float, float] = (math.nan,) * 4) -> Box:
    """What is kept of an annotation that cannot be read, for the rules to judge: nothing goes away with a line in a log."""
    return Box(class_name or "", *box_px, unread=came[:UNREAD_LENGTH])


def whole_number(text: str | None) -> int | None:
    """Of pixels; None for what is no number above 0."""
    return int(text) or None if text is not None and re.fullmatch(r"[0-9]{1,9}", text.strip()) else None


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """What a format says of one image; null where it says nothing.

    `boxes`: what a version of a dataset holds. `others`: shapes that it cannot hold; `Labels.lost` counts them.
    """

    path: str
    boxes: tuple[Box, ...] = ()
    width_px: int | None = None
    height_px: int | None = None
    group: str | None = None
    split: str | None = None
    attributes: str | None = None
    others: tuple[Box, ...] = ()


@dataclass
class Problems:
    """What is wrong with label files: all counted, the first few spelt out."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, where: str, got: str, expected: str) -> None:
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(f"{where}: got {got}, expected {expected}")

    def refuse(self, what: str) -> None:
        """Raises BadInputError if there are any."""
        if self.count:
            more = f"; and {self.count - len(self.first)} more" if self.count > len(self.first) else ""
            raise BadInputError(f"{what}: {self.count} problems: {'; '.join(self.first)}{more}. Mend the labels and try again")


@dataclass
class Labels:
    """What was read. `classes` in the format's own order; `lost`: what the files say that a version cannot hold, counted."""

    classes: list[str] = field(default_factory=list)
    images: list[LabelledImage] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)
    lost: Counter[str] = field(default_factory=Counter)

    def know(self, names: Iterable[str]) -> None:
        """Add classes, each once, in the order given."""
        self.classes = list(dict.fromkeys([*self.classes, *names]))


@dataclass
class Layout:
    """A data set in a format. `places`: where each image's file goes, in the order of the images. `files`: the rest, made as
    they are taken. `lost`: what the format cannot hold, counted.
    """

    places: list[str]
    files: Iterable[tuple[str, bytes]]
    lost: Counter[str]


def packed(attributes: Mapping[str, Any]) -> str | None:
    """Plain values by name as a record holds them; other values are left out: count them with `nested`."""
    kept = {name: value for name, value in attributes.items() if is_plain(value)}
    return json.dumps(kept, sort_keys=True) if kept else None


def is_plain(value: object) -> bool:
    return isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))


def nested(attributes: Mapping[str, Any]) -> int:
    """How many values are no plain ones: objects, lists, infinities. A null is the same as nothing."""
    return sum(value is not None and not is_plain(value) for value in attributes.values())


def unpacked(attributes: str | None) -> dict[str, Plain]:
    return json.loads(attributes) if attributes else {}


def from_text(text: str) -> Plain:
    """Where a format has only text: a number or a truth value where the text is one."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"-?(0|[1-9]\d{0,17})", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?\d{1,17}\.\d{1,17}", text) else text


def to_text(value: Plain) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def lost_by(images: Iterable[LabelledImage], holds: Collection[str], is_text: bool = False) -> Counter[str]:
    """What a format that holds only `holds` (fields of the records) cannot say. `is_text`: all its values are text."""
    lost: Counter[str] = Counter()
    for image in images:
        for name in ("group", "attributes"):
            lost[f"image {name}"] += name not in holds and getattr(image, name) is not None
        for box in image.boxes:
            lost["crowd marks"] += box.is_crowd and "is_crowd" not in holds
            for name in WHO:
                lost[f"box {name}"] += name not in holds and getattr(box, name) is not None
            lost["box attributes"] += "box attributes" not in holds and box.attributes is not None
            if is_text and "box attributes" in holds and box.attributes:
                lost["types of attributes"] += sum(_changes(value) for value in unpacked(box.attributes).values())
    return +lost


def _changes(value: Plain) -> bool:
    """Written as text and read again, it is not the same."""
    again = from_text(to_text(value))
    return type(again) is not type(value) or again != value


def number_text(value: float, decimals: int = 4) -> str:
    """`12`, `12.5`: without zeros at the end."""
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
