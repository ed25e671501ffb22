"""The labels of images that several parents have: where they differ, and which ones stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from include.versions.contents import ANNOTATION_COLUMNS
from include.versions.operations.boxes import iou
from include.versions.operations.planning import SIDES

SAME_BOX_IOU = 0.9
WHAT_COUNTS = ["class_name", *SIDES, "is_crowd"]  # who drew a box does not make it another


def conflicts(images: pd.DataFrame, annotations: pd.DataFrame) -> list[str]:
    """md5s of images whose boxes differ between parents, in the order of `images`. Rows carry their `parent`."""
    shared = images[images["md5"].duplicated(keep=False)]
    rows = annotations[annotations["md5"].isin(shared["md5"])]
    plain = rows[WHAT_COUNTS].astype({**dict.fromkeys(SIDES, float), "is_crowd": bool, "class_name": object})
    # a sum does not ask for the order of the boxes; the number of boxes goes in with it
    hashes = pd.Series(pd.util.hash_pandas_object(plain, index=False).to_numpy() if len(plain) else [], rows.index, np.uint64)
    keys = [rows["md5"], rows["parent"]]
    signature = pd.DataFrame({"boxes": hashes.groupby(keys).sum(), "count": hashes.groupby(keys).size()})
    each = pd.MultiIndex.from_frame(shared[["md5", "parent"]].drop_duplicates())
    different = signature.reindex(each, fill_value=0).groupby(level="md5", sort=False).nunique()
    return [str(md5) for md5 in different.index[(different > 1).any(axis=1)]]


def resolve(annotations: pd.DataFrame, images: pd.DataFrame, disputed: list[str], rule: str) -> pd.DataFrame:
    """The boxes that stand, ANNOTATION_COLUMNS, in the parents' order. Only `disputed` images can be a union of several."""
    winner = images.groupby("md5")["parent"].max() if rule == "last" else images.groupby("md5")["parent"].min()
    stands = annotations["parent"] == annotations["md5"].map(winner)
    if rule == "union":
        of_several = annotations["md5"].isin(disputed)
        together = of_several & ~same_boxes(annotations[of_several]).reindex(annotations.index, fill_value=False)
        stands = (stands & ~of_several) | together
    return annotations.loc[stands, ANNOTATION_COLUMNS].reset_index(drop=True)


def same_boxes(annotations: pd.DataFrame) -> pd.Series[Any]:
    """Which boxes an earlier parent has already: of the same class, with IoU above SAME_BOX_IOU."""
    again = np.zeros(len(annotations), bool)
    every_box, of_parent = annotations[SIDES].to_numpy(np.float64), annotations["parent"].to_numpy()
    groups = annotations.groupby(["md5", "class_name", "is_crowd"], sort=False).indices
    for positions in groups.values():
        boxes, parents = every_box[positions], of_parent[positions]
        kept: list[int] = []
        for number, box in enumerate(boxes):
            others = [one for one in kept if parents[one] != parents[number]]
            if others and iou(box, boxes[others]).max() > SAME_BOX_IOU:
                again[positions[number]] = True
            else:
                kept.append(number)
    return pd.Series(again, annotations.index)
