"""From suspects to what an annotator is told, item by item: found again in the batch that the image's labels came with."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from include.artifacts import Told
from include.labelling.items import Objection
from include.overlaps import iou_of

Row = Mapping[str, Any]
SAME_PLACE_IOU = 0.5
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Batch:
    """What is known of a card of checked labels. By md5: item of the service, and name of the picture in it. `annotations`: the
    service's id by annotation_key.
    """

    pictures: Mapping[str, tuple[str, str]]
    annotations: Mapping[str, str | None]


@dataclass
class Said:
    """`of`: by item. `left_out`: counts by why."""

    of: dict[str, list[Objection]] = field(default_factory=lambda: defaultdict(list))
    told: list[Told] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def objections(
    rows: Iterable[Row], batch_of: Callable[[str], Batch], before: Sequence[Told], most: int, page: str | None
) -> Said:
    """`rows`: of SUSPECTS, of this source and worth telling, the likeliest first. `page`: where the report is."""
    said = Said()
    for row in rows:
        batch = batch_of(row["checked_labels"])
        where, box = batch.pictures.get(row["md5"]), meant(row)
        if where is None:
            said.left_out["made from another picture than the service has"] += 1
        elif row["origin"] is not None and row["origin"] not in batch.annotations:
            said.left_out["box is not in the batch that the image came with"] += 1
        elif _is_told(row, box, before):
            said.left_out["told before"] += 1
        elif len(said.told) >= most:
            said.left_out[f"more than {most}"] += 1
        else:
            item, picture = where
            annotation_id = batch.annotations.get(row["origin"]) if row["origin"] else None
            link = f"{page}#suspect-{row['rank']}" if page else None
            said.of[item].append(Objection(picture, annotation_id, f"likely_{row['kind']}", *_words(row), link, box))
            said.told.append(Told(md5=row["md5"], error=row["kind"], box=box))
    return said


def meant(row: Row) -> Box:
    """The given box, or the one that is missing."""
    whose = "likely" if row["kind"] == "missing" else "given"
    x, y, width, height = (float(row[f"{whose}_{side}_px"]) for side in ("x", "y", "width", "height"))
    return x, y, width, height


def _is_told(row: Row, box: Box, before: Sequence[Told]) -> bool:
    """The same kind of error in the same place: another champion sees it a little elsewhere."""
    near = [one.box for one in before if (one.md5, one.error) == (row["md5"], row["kind"])]
    return bool(near) and bool((iou_of(np.array(near), np.array([box] * len(near))) >= SAME_PLACE_IOU).any())


def _words(row: Row) -> tuple[str, str]:
    """What is given, and what is expected."""
    given, likely = (f"{row[f'{whose}_class']}{_place(row, whose)}" for whose in ("given", "likely"))
    return {
        "missing": ("no box", likely),
        "spurious": (given, "nothing is there, or another box has it"),
        "swapped": (str(row["given_class"]), str(row["likely_class"])),
        "misplaced": (given, likely),
    }[row["kind"]]


def _place(row: Row, whose: str) -> str:
    if row[f"{whose}_x_px"] is None:
        return ""
    x, y, width, height = (row[f"{whose}_{side}_px"] for side in ("x", "y", "width", "height"))
    return f" at x {x:.0f} to {x + width:.0f}, y {y:.0f} to {y + height:.0f}"
