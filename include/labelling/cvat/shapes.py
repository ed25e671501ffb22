"""CVAT's annotations of a job as pictures with shapes: pure, no network.

Points are pixels already. Frame numbers count through the whole task: a job's first frame is its `start_frame`, and the list
`frames` of its data/meta starts there. Frames that were deleted in CVAT are no pictures, and what is drawn on them is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from include.labelling import drawings
from include.labelling.cvat.tracks import interpolated
from include.labelling.drawings import Drawing
from include.labelling.items import NAN, Picture, Shape, geometry

Json = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """What the server says of a job: its own JSON, its data/meta, its labels. `like`: who, when, by which guideline."""

    job: Json
    meta: Json
    labels: list[Json]
    like: Shape

    @cached_property
    def _labels(self) -> dict[int, Json]:
        below = [sub for one in self.labels for sub in one.get("sublabels") or []]
        return {one["id"]: one for one in [*below, *self.labels]}

    @cached_property
    def _specs(self) -> dict[int, Json]:
        return {spec["id"]: spec for label in self._labels.values() for spec in label.get("attributes") or []}

    @cached_property
    def frames(self) -> dict[int, Json]:
        """Frame number → its name and size. A video has one entry for all frames; where a job has but some of the frames between
        its first and last, there are placeholders for the others.
        """
        start, stop = self.job["start_frame"], self.job["stop_frame"]
        listed, deleted = self.meta.get("frames") or [], set(self.meta.get("deleted_frames") or [])
        included = self.meta.get("included_frames")
        is_video = len(listed) == 1 and (stop > start or self.job.get("mode") == "interpolation")
        entries = listed * (stop - start + 1) if is_video else listed
        found = {}
        for number, entry in zip(range(start, stop + 1), entries, strict=False):
            if number not in deleted and (included is None or number in included):
                found[number] = {**entry, "name": f"{entry['name']}/frame_{number:06d}.png"} if is_video else entry
        return found

    def class_of(self, raw: Json) -> str | None:
        label = self._labels.get(raw.get("label_id", -1))
        return label["name"] if label else None

    def attributes(self, raw: Json) -> str | None:
        """By name, with what CVAT itself notes of a shape where that is out of the ordinary."""
        said: Json = {key: True for key in ("occluded", "outside") if raw.get(key)}
        said |= {key: raw[key] for key in ("group", "track") if raw.get(key) is not None and raw[key] != 0}
        if raw.get("source", "manual") != "manual":
            said |= {"source": raw["source"]} | ({"score": raw["score"]} if raw.get("score") is not None else {})
        if "keyframe" in raw:
            said["keyframe"] = raw["keyframe"]
        for value in raw.get("attributes") or []:
            spec = self._specs.get(value["spec_id"], {})
            said[spec.get("name", f"attribute {value['spec_id']}")] = _typed(value["value"], spec.get("input_type"))
        return drawings.attributes_json(said)


def pictures(job: Job, annotations: Json) -> tuple[tuple[Picture, ...], tuple[Shape, ...]]:
    """Every frame of the job, and shapes of no frame of it. Raises Refused for a track that only CVAT can interpolate."""
    drawn: dict[int, list[Shape]] = defaultdict(list)
    for raw in _drawn(job, annotations):
        drawn[raw["frame"]].append(_shape(job, raw))
    names = _names(job.frames)
    found = tuple(
        Picture(
            name=names[number], shapes=tuple(drawn.get(number, ())), address={"job": job.job["id"], "frame": number},
            width_px=float(frame.get("width") or NAN), height_px=float(frame.get("height") or NAN),
        )
        for number, frame in job.frames.items()
    )  # fmt: skip
    deleted = set(job.meta.get("deleted_frames") or [])
    strays = tuple(one for frame, shapes in drawn.items() if frame not in job.frames and frame not in deleted for one in shapes)
    return found, strays


def _drawn(job: Job, annotations: Json) -> Iterator[Json]:
    for raw in annotations.get("tags") or []:
        yield {**raw, "type": "tag"}
    yield from annotations.get("shapes") or []
    for track in annotations.get("tracks") or []:
        yield from interpolated(track, job.job["stop_frame"])


def _names(frames: Mapping[int, Json]) -> dict[int, str]:
    """Frame → relative path, unique in the job: the file's name as it is known to CVAT, below its folders."""
    from include.formats.tree import harmless

    found: dict[int, str] = {}
    for number, frame in frames.items():
        name = harmless(frame.get("name")) or f"frame_{number:06d}{PurePosixPath(str(frame.get('name'))).suffix}"
        found[number] = name if name not in found.values() else f"frame_{number:06d}/{name}"
    return found


def _shape(job: Job, raw: Json) -> Shape:
    try:
        kind, box, shaped = _drawing(job, raw)
    except drawings.UNREADABLE_ERRORS:
        kind, box, shaped = drawings.UNREADABLE
    # shapes, tags and tracks are counted apart
    counted = "track-" if "track" in raw else "tag-" if kind == "tag" else ""
    return job.like._replace(
        kind=kind, class_name=job.class_of(raw), box_px=box, geometry=shaped, raw=drawings.to_json(raw),
        annotation_id=f"{counted}{raw.get('track', raw.get('id'))}", attributes=job.attributes(raw),
    )  # fmt: skip


def _drawing(job: Job, raw: Json) -> Drawing:
    turned, kind = float(raw.get("rotation") or 0) % 360, raw["type"]
    if kind == "skeleton":
        return _skeleton(job, raw)
    numbers = [float(one) for one in raw.get("points") or []]
    match kind:
        case "tag":
            return drawings.tag()
        case "rectangle":
            x0, y0, x1, y1 = numbers
            if turned:
                return drawings.rotated_box((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, turned)
            return drawings.box(x0, y0, x1 - x0, y1 - y0)
        case "ellipse":
            x, y, right, top = numbers
            return drawings.ellipse(x, y, abs(right - x), abs(y - top), turned)
        case "mask":
            *runs, x0, y0, x1, y1 = map(int, numbers)
            box = (float(x0), float(y0), float(x1 + 1 - x0), float(y1 + 1 - y0))  # its last column and row are in it
            return "mask", box, geometry(rle=runs, box_px=box)
        case "polygon":
            return drawings.polygon([[drawings.pairs(numbers)]])
        case "polyline":
            return drawings.polyline([drawings.pairs(numbers)])
        case "points" | "cuboid":
            return drawings.points(drawings.pairs(numbers), kind)
    return drawings.UNREADABLE


def _skeleton(job: Job, raw: Json) -> Drawing:
    """Its points with their names. A point that is `outside` is not there: it counts for nothing but is kept in `raw`."""
    there = [one for one in raw["elements"] if not one.get("outside")]
    points = [drawings.pairs(one["points"])[0] for one in there]
    return drawings.points(points, "skeleton", names=[job.class_of(one) for one in there])


def _typed(value: str, input_type: str | None) -> Any:
    if input_type == "checkbox":
        return value.lower() == "true"
    if input_type == "number":
        try:
            return int(value) if float(value).is_integer() else float(value)
        except ValueError:
            return value
    return value
