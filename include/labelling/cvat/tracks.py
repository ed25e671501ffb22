"""CVAT's tracks: one object through the frames of a video, drawn on some of them (keyframes).

Between two keyframes CVAT shows the object where it would be if it moved evenly, and after the last one where it was, until a
keyframe says that it is `outside`: https://docs.cvat.ai/docs/annotation/manual-annotation/shapes/track-mode-basics/. To take the
keyframes alone would leave frames that look free of objects. Boxes, ellipses, cuboids, single points and so skeletons are
computed so here. Several points stay where they were, as in CVAT. Polygons, polylines and masks are read only while they stand
still, for how CVAT matches their points is not documented.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from include.labelling.items import Refused

Json = dict[str, Any]
EVENLY = frozenset({"rectangle", "ellipse", "points", "cuboid"})
X_AND_Y = 2


def interpolated(track: Json, stop_frame: int) -> Iterator[Json]:
    """A shape for each frame on which the object is seen, with `track` (its id) and `keyframe`. Raises Refused."""
    if track.get("elements"):
        yield from _skeletons(track, stop_frame)
        return
    given = {key: track.get(key) for key in ("label_id", "group", "source")} | {"track": track.get("id")}
    keys = sorted(track.get("shapes") or [], key=lambda one: one["frame"])
    changing: dict[int, Json] = {}
    for position, key in enumerate(keys):
        changing |= {one["spec_id"]: one for one in key.get("attributes") or []}  # they hold until the next change
        if key.get("outside"):
            continue
        further = keys[position + 1] if position + 1 < len(keys) else None
        attributes = [*(track.get("attributes") or []), *changing.values()]
        for frame in range(key["frame"], further["frame"] if further else stop_frame + 1):
            moved = {} if frame == key["frame"] else _between(track, key, further, frame)
            yield {**key, **given, **moved, "frame": frame, "attributes": attributes, "keyframe": frame == key["frame"]}


def _skeletons(track: Json, stop_frame: int) -> Iterator[Json]:
    """Each of its points is a track of its own; where none of them is seen, the skeleton is not."""
    points: dict[int, list[Json]] = defaultdict(list)
    for element in track["elements"]:
        for point in interpolated(element, stop_frame):
            points[point["frame"]].append(point)
    for whole in interpolated({**track, "elements": []}, stop_frame):
        if whole["frame"] in points:
            yield {**whole, "type": "skeleton", "elements": points[whole["frame"]]}


def _between(track: Json, key: Json, further: Json | None, frame: int) -> Json:
    if further is None or further.get("outside"):
        return {}
    same = key["points"] == further["points"] and (key.get("rotation") or 0) == (further.get("rotation") or 0)
    if same or (key["type"] == "points" and len(key["points"]) != X_AND_Y):
        return {}
    if key["type"] not in EVENLY or len(key["points"]) != len(further["points"]):
        raise Refused(
            f"track {track.get('id')}: a moving {key['type']} between frames {key['frame']} and {further['frame']}; expected a "
            f"keyframe on every frame, or one of {', '.join(sorted(EVENLY))}: only CVAT knows where it is in between"
        )
    share = (frame - key["frame"]) / (further["frame"] - key["frame"])
    points = [start + (end - start) * share for start, end in zip(key["points"], further["points"], strict=True)]
    start_deg, end_deg = (float(one.get("rotation") or 0) for one in (key, further))
    shortest_deg = (end_deg - start_deg + 180) % 360 - 180
    return {"points": points, "rotation": (start_deg + shortest_deg * share) % 360}
