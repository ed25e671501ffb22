"""What a connector hands over: items of work, and of a finished one the pictures and what was drawn on them.

Nothing is narrowed here: a shape of any kind is kept as it came, in pixels of its picture, with the JSON of the service beside
it. What may teach a detector is decided by validate_annotations.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

Status = Literal["finished", "waiting", "skipped", "gone"]
Kind = Literal["box", "rotated_box", "polygon", "polyline", "points", "ellipse", "mask", "cuboid", "skeleton", "tag", "other"]
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of labelling work as the service lists it: a job, a task, a delivery.

    `id` is unique in its source, and never reused: `job-17`. `revision` changes whenever the labels of the item change, and when
    the team's rule judges it anew. `state` is in the service's own words. `updated_at` is the service's clock (UTC).
    `status`: by the team's rule (`finished` in its YAML), `gone` where the service says that it was deleted. `payload`: what the
    listing has brought already, for `fetch`.
    """

    id: str
    revision: str
    status: Status
    state: str
    updated_at: datetime
    images: int = 1
    payload: Any = None
    name: str | None = None  # how keys and people call it; None: by its id

    @property
    def called(self) -> str:
        return self.name or self.id


class Shape(NamedTuple):
    """Something drawn on a picture, or said of it. A tuple: there are hundred thousands, and no other class is made as quickly.

    `box_px`: left, top, width, height in pixels of the picture, as given or as what encloses the shape; NaN where there is none.
    `geometry`: the shape itself as JSON where it is more than its box (see `geometry`). `raw`: as the service gave it, JSON.
    Times are ISO 8601 in UTC; people and jobs are named as the service names them.
    """

    kind: Kind
    class_name: str | None
    box_px: tuple[float, float, float, float]
    raw: str
    geometry: str | None = None
    annotation_id: str | None = None
    image_id: str | None = None  # as the file or service says it
    is_crowd: bool = False
    annotator: str | None = None
    reviewer: str | None = None
    job: str | None = None
    drawn_at: str | None = None
    reviewed_at: str | None = None
    guideline: str | None = None
    attributes: str | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of an item. `name`: relative path with `/`, unique within the item. `address`: for the connector's `image`.

    `annotators`: who each labelled all of it on their own, those who saw nothing included, named as in the shapes; what one of
    them did not draw, he says is not there. Empty: the service does not say, and who drew on it may have shared the work.
    """

    name: str
    shapes: Sequence[Shape]
    address: Any = None
    missing: str | None = None
    width_px: float = NAN
    height_px: float = NAN
    group: str | None = None
    attributes: str | None = None
    annotators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Labelled:
    """All of a finished item. `original`: what the service answered, kept as it came. `strays`: shapes of no picture.

    `sender`, `sent_at`: of a delivered archive, as the note beside it says.
    """

    original: bytes
    pictures: tuple[Picture, ...]
    strays: Sequence[Shape] = ()
    problems: tuple[str, ...] = ()  # what of it could not be read
    sender: str | None = None
    sent_at: str | None = None


class Refused(Exception):
    """Nothing of an item can be read; the message says what was got and what was expected. The others go on.

    `original`: what came, where it is at hand; a refused archive lies in the quarantine.
    """

    def __init__(self, said: str, original: bytes | None = None) -> None:
        super().__init__(said)
        self.original = original


def geometry(**parts: Any) -> str:
    """JSON of a shape, px: `rings` [[[x, y], …], …] (the first is the outline, or `parts` of several), `points` [[x, y], …],
    `angle_deg` clockwise about the box's middle, `rle` and so on. `flat` [[x, y, x, y, …], …]: of COCO, see `polygons_of`.
    """
    return json.dumps(parts, separators=(",", ":"))


def polygons_of(drawn: str) -> list[list[list[list[float]]]]:
    """The polygons of a geometry, each its rings, the outline first; none where it has no such."""
    parts = json.loads(drawn)
    if "flat" in parts:
        return [[[flat[at : at + 2] for at in range(0, len(flat), 2)]] for flat in parts["flat"]]
    return parts.get("parts") or ([parts["rings"]] if "rings" in parts else [])


def enclosing(points: Sequence[Sequence[float]]) -> tuple[float, float, float, float]:
    """The box around points [[x, y], …]; NaN for none."""
    if not points:
        return NAN, NAN, NAN, NAN
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a label was rejected, for who drew it.

    `picture`: its name in the item; `annotation_id`: as the connector gave it, None: the picture itself. `link`: where a person
    sees picture and label. `box_px`: the place that is meant where no annotation is, x y width height.
    """

    picture: str
    annotation_id: str | None
    rule: str
    got: str
    expected: str
    link: str | None = None
    box_px: tuple[float, float, float, float] | None = None

    @property
    def mark(self) -> str:
        """The same for the same objection: it is found again by this, and not made twice."""
        said = json.dumps([self.picture, self.annotation_id, self.rule, self.got, self.expected])
        return f"visionloop-{hashlib.sha256(said.encode()).hexdigest()[:16]}"

    @property
    def message(self) -> str:
        lines = [f"{self.rule}: got {self.got}; expected {self.expected}", f"picture: {self.picture}"]
        return "\n".join([*lines, *([self.link] if self.link else []), f"[{self.mark}]"])
