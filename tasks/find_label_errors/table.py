"""Suspects as the rows that people and the next step read: which image, which box, whose, what is likely right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from include.artifacts.suspects import SUSPECTS
from include.overlaps import Floats, Ints
from tasks.find_label_errors.boxes import Boxes
from tasks.find_label_errors.judge import KINDS, Suspects

SIDES = ("x_px", "y_px", "width_px", "height_px")


def ranked(score: Floats, image: Ints, is_trained_on: NDArray[np.bool_], min_score: float, most: int) -> Ints:
    """Positions of suspects to list: those in images that the champion was not trained on first, each part in the order given.

    `score`, `image`: of each suspect.
    """
    at = np.flatnonzero(score >= min_score)
    return at[np.argsort(is_trained_on[image[at]], kind="stable")][:most]


def images_of(suspects: Suspects, given: Boxes, seen: Boxes) -> Ints:
    """Position of each suspect's image."""
    found = np.full(len(suspects.score), -1)
    for at, boxes in ((suspects.seen, seen), (suspects.given, given)):
        found[at >= 0] = boxes.image[at[at >= 0]]
    return found


def suspects_table(
    suspects: Suspects, seen: Boxes, image: Ints, images: pa.Table, annotations: pa.Table, saw: Sequence[str],
    dataset: Sequence[str], model: Sequence[str],
) -> pa.Table:  # fmt: skip
    """SUSPECTS, in the order given. `annotations`: the rows of the given boxes; `saw`: of each image; classes of both."""
    of_image = images.take(pa.array(image))
    of_box = annotations.take(pa.array(suspects.given, mask=suspects.given < 0))
    is_seen = suspects.seen >= 0
    at = np.where(is_seen, suspects.seen, 0)
    columns = {
        "rank": pa.array(np.arange(1, len(image) + 1)),
        "kind": pa.array(KINDS).take(pa.array(suspects.kind)),
        "score": pa.array(suspects.score.round(4)),
        "champion_saw": pa.array(saw, pa.string()).take(pa.array(image)),
        "given_class": pa.array(["", *dataset]).take(of_box["category_id"].combine_chunks()),
        "likely_class": _of_seen(np.array([*model, ""], object)[seen.label[at]] if len(seen) else at, is_seen, pa.string()),
        "detection_score": _of_seen(seen.score[at].round(4) if len(seen) else at, is_seen, pa.float64()),
    }
    columns |= {name: of_image[name] for name in ("relpath", "md5", "split", "source", "checked_labels")}
    columns |= {name: of_box[name] for name in ("annotation_id", "origin", "annotator", "job")}
    columns |= {f"given_{side}": of_box[side] for side in SIDES}
    columns |= {
        f"likely_{side}": _of_seen(seen.box[at, n].round(1) if len(seen) else at, is_seen, pa.float64())
        for n, side in enumerate(SIDES)
    }
    return pa.table([columns[name] for name in SUSPECTS.names], schema=SUSPECTS)


def _of_seen(values: Ints, is_seen: NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    """Null where there is no detection."""
    return pa.array([value if said else None for value, said in zip(values.tolist(), is_seen, strict=True)], kind)
