"""What a connector hands over: items of work, and of a finished one the pictures and what was drawn on them.

Nothing is narrowed here: a shape of any kind is kept as it came, in pixels of its picture, with the JSON of the service beside
it. What may teach a detector is decided by validate_annotations.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Status = Literal["finished", "waiting", "skipped", "gone"]
Kind = Literal["box", "rotated_box", "polygon", "polyline", "points", "ellipse", "mask", "cuboid", "skeleton", "tag", "other"]
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of labelling work as the service lists it: a job, a task, a delivery.

    `id` is unique in its source, and never reused: `job-17`. `revision` changes whenever the labels of the item change, and when
    the team's rule judges it anew. `state` is in the service's own words. `updated_at` is the service's clock (UTC).
    `status`: by the team's rule (`finished` in its YAML), `gone` where the service says that it was deleted. `payload`: what the listing
    has brought already, for `fetch`.
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


@dataclass(frozen=True, slots=True)
class Shape:
    """Something drawn on a picture, or said of it.

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
    shapes: tuple[Shape, ...]
    address: Any = None
    missing: str | None = None
    width_px: float = NAN
    height_px: float = NAN
    group: str | None = None
    attributes: str | None = None
    annotators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Labelled:
    """All of a finished item. `original`: what the service answered, kept as it came. `strays`: shapes of no picture."""

    original: bytes
    pictures: tuple[Picture, ...]
    strays: tuple[Shape, ...] = ()
    problems: tuple[str, ...] = ()  # what of it could not be read


class Refused(Exception):
    """Nothing of an item can be read; the message says what was got and what was expected. The others go on."""


def geometry(**parts: Any) -> str:
    """JSON of a shape, px: `rings` [[[x, y], …], …] (the first is the outline, or `parts` of several), `points` [[x, y], …],
    `angle_deg` clockwise about the box's middle, `rle` and so on.
    """
    return json.dumps(parts, separators=(",", ":"))


def enclosing(points: Sequence[Sequence[float]]) -> tuple[float, float, float, float]:
    """The box around points [[x, y], …]; NaN for none."""
    if not points:
        return NAN, NAN, NAN, NAN
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
