"""Annotations as public files have them, all at once: text stays bytes, which numpy looks through and Arrow takes over.

What any of them says besides is read one by one, by include/labelling/files/coco_shapes.py. The rows are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from include.artifacts.joined import Joined
from include.labelling.files.coco_shapes import annotation_of, columns_of_any, segmented
from include.labelling.files.values import as_id

BEFORE, AFTER = b'{"flat":', b"}"
OF_RINGS = b"0123456789.,-[]"  # of lists and plain numbers: no text, object, null, NaN, nor 1e999, which is none
IS_OF_RINGS = np.isin(np.arange(256), list(OF_RINGS))
LONG_NUMBER = 40  # no float has so many digits, and at 4,300 no int
LEAST_COMMAS = 5  # of three points


Ints = NDArray[np.int64]


class Plain(msgspec.Struct, gc=False):
    """What says anything else is no plain annotation."""

    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    segmentation: msgspec.Raw = msgspec.Raw(b"null")
    iscrowd: int = 0
    keypoints: None = None
    annotator: None = None
    reviewer: None = None
    job: None = None
    attributes: None = None


_decode = msgspec.json.Decoder(Plain).decode


def columns_of(raws: Sequence[msgspec.Raw], classes: dict[str, str], positions: dict[str | None, int]) -> dict[str, Any]:
    """Of annotations as JSON, the fields of Shape by name, each a list or an array; one that is not there is None in all.

    In the order of the positions of their images, by image id; those of no image last. `classes`: name by id.
    """
    try:
        plain: list[Any] = [_decode(raw) for raw in raws]
        made: Callable[..., dict[str, Any]] = _columns_of_plain
    except msgspec.DecodeError:
        plain, made = [annotation_of(raw) for raw in raws], columns_of_any
    strays = max(positions.values(), default=0) + 1
    places = [positions.get(as_id(one.image_id), strays) for one in plain]
    order = sorted(range(len(places)), key=places.__getitem__)
    raw = _joined([raws[at] for at in order])
    return made([plain[at] for at in order], classes) | {"raw": raw}


def _columns_of_plain(annotations: Sequence[Plain], classes: dict[str, str]) -> dict[str, Any]:
    kinds, geometries = _segmented([one.segmentation for one in annotations])
    names = {one: classes.get(str(one)) for one in {one.category_id for one in annotations}}
    return {
        "kind": kinds, "box_px": [one.bbox for one in annotations], "geometry": geometries,
        "class_name": [names[one.category_id] for one in annotations],
        "annotation_id": [str(one.id) for one in annotations], "image_id": [str(one.image_id) for one in annotations],
        "is_crowd": [one.iscrowd == 1 for one in annotations],
    }  # fmt: skip


def _joined(raws: Sequence[msgspec.Raw], before: bytes = b"", after: bytes = b"") -> Joined:
    """Each between these."""
    lengths = np.fromiter((len(memoryview(raw)) for raw in raws), np.int64, len(raws))
    starts = np.append(0, np.cumsum(lengths + len(before) + len(after)))
    return Joined(b"".join([before, (after + before).join(raws), after]), starts)


def _segmented(raws: Sequence[msgspec.Raw]) -> tuple[list[str], Sequence[str | None]]:
    """Kind and geometry of each."""
    joined = _joined(raws, BEFORE, AFTER)
    others = np.flatnonzero(~_are_rings(joined)).tolist()
    if not others:
        return ["polygon"] * len(raws), joined
    kinds, geometries = ["polygon"] * len(raws), list[str | None](joined)
    for at in others:
        kinds[at], geometries[at] = segmented(str(raws[at], "utf-8"))
    return kinds, geometries


def _are_rings(joined: Joined) -> NDArray[np.bool_]:
    """Where a text, valid JSON, is surely a list of rings, each of plain numbers: three points or more, x and y in turn."""
    starts, chars = joined.starts, np.frombuffer(joined.text, np.uint8)
    good = np.ones(len(starts) - 1, np.bool_)
    if len(joined.text.translate(None, OF_RINGS)) != len(good) * len(BEFORE + AFTER):
        others = np.flatnonzero(~IS_OF_RINGS[chars])
        good &= np.diff(np.searchsorted(others, starts)) == len(BEFORE + AFTER)
    commas = np.flatnonzero(chars == ord(","))
    gaps = np.flatnonzero(np.diff(commas, prepend=0, append=len(chars)) > LONG_NUMBER)
    for end in (np.append(commas, len(chars) - 1)[gaps], np.append(0, commas)[gaps]):
        good[np.searchsorted(starts, end, side="right") - 1] = False
    brackets = np.flatnonzero((chars == ord("[")) | (chars == ord("]")))
    count = np.diff(np.searchsorted(brackets, starts))
    good &= (count >= 4) & (count % 2 == 0)
    text_of = np.searchsorted(starts, brackets, side="right") - 1
    _mark_wrong_rings(good, brackets[good[text_of]], text_of[good[text_of]], commas, joined, chars)
    return good


def _mark_wrong_rings(
    good: NDArray[np.bool_], brackets: Ints, text_of: Ints, commas: Ints, joined: Joined, chars: NDArray[np.uint8]
) -> None:
    """`brackets`: four or more of each good text, an even number."""
    first, last = joined.starts[:-1] + len(BEFORE), joined.starts[1:] - len(AFTER) - 1
    is_first = np.diff(text_of, prepend=-1) > 0
    is_last = np.append(is_first[1:], True)[: len(is_first)]
    good[text_of[is_first & (brackets != first[text_of])]] = False
    good[text_of[is_last & (brackets != last[text_of])]] = False
    inner = ~(is_first | is_last)
    (opens, closes), text_of = brackets[inner].reshape(-1, 2).T, text_of[inner][::2]
    is_first = np.diff(text_of, prepend=-1) > 0
    is_last = np.append(is_first[1:], True)[: len(is_first)]
    count = np.searchsorted(commas, closes) - np.searchsorted(commas, opens)
    wrong = (chars[opens] != ord("[")) | (chars[closes] != ord("]")) | (count < LEAST_COMMAS) | (count % 2 == 0)
    wrong |= opens != np.where(is_first, first[text_of] + 1, np.append(0, closes[:-1])[: len(closes)] + 2)
    wrong |= is_last & (closes != last[text_of] - 1)
    good[text_of[wrong]] = False
