"""How each annotator draws, and what each job is like: summed up over what is sound so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.validate_annotations.spill import Records

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """By number of the annotator or job."""

    boxes: Floats
    images: Floats
    log_areas: Floats


class People:
    """`numbers`: number by name."""

    def __init__(self, numbers: Mapping[object, int]) -> None:
        self.numbers = numbers
        self._sums = Sums(*(np.zeros(0) for _ in fields(Sums)))

    def sums(self, records: Records, kind: str) -> Sums:
        """Of records that come with whole images. `kind`: annotator or job."""
        records = records[records[kind] >= 0]
        who, count = records[kind].astype(np.int64), len(self.numbers)
        pairs = np.sort(who << 32 | records["image"])
        pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)]]
        log_areas = np.log(records["width"] * records["height"])
        counted = (
            np.bincount(one, weights, minlength=count) for one, weights in ((who, None), (pairs >> 32, None), (who, log_areas))
        )
        return Sums(*(one.astype(np.float64) for one in counted))

    def add(self, sums: Sums) -> None:
        before = (_longer(getattr(self._sums, one.name), len(self.numbers)) for one in fields(Sums))
        self._sums = Sums(*(one + getattr(sums, field.name) for one, field in zip(before, fields(Sums), strict=True)))

    def frame(self, rejected: Mapping[object, int]) -> pd.DataFrame:
        """One row each, with what is usual among them in words. `rejected`: of their annotations, by name."""
        frame = pd.DataFrame({"batch_key": pd.Series(list(self.numbers), dtype=object), "row": np.arange(len(self.numbers))})
        boxes, images, log_areas = (_longer(getattr(self._sums, one.name), len(frame)) for one in fields(Sums))
        frame["boxes"] = boxes.astype(np.int64)
        frame["boxes_per_image"] = boxes / images.clip(min=1)
        frame["log_area"] = log_areas / boxes.clip(min=1)
        aside = np.array([rejected.get(name, 0) for name in self.numbers], np.float64)
        frame["rejected_share"] = aside / (boxes + aside).clip(min=1)
        usual = frame[["boxes_per_image", "log_area", "rejected_share"]].median()
        per_image, area = usual["boxes_per_image"], np.exp(usual["log_area"])
        frame["usual"] = f"{per_image:.1f} per image of {area:.0f} px², {usual['rejected_share']:.1%} rejected"
        return frame


def _longer(values: Floats, count: int) -> Floats:
    return np.append(values, np.zeros(max(0, count - len(values))))
