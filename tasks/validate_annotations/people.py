"""How each annotator draws, and what each job is like: summed up over what is sound so far."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tasks.validate_annotations.spill import Records


class People:
    """`numbers`: number by name. Records come with whole images."""

    def __init__(self, numbers: Mapping[object, int]) -> None:
        self.numbers = numbers
        self.boxes, self.images, self.log_areas = (np.zeros(0) for _ in range(3))

    def add(self, records: Records, kind: str) -> None:
        """`kind`: annotator or job."""
        records = records[records[kind] >= 0]
        who, count = records[kind].astype(np.int64), len(self.numbers)
        pairs = np.sort(who << 32 | records["image"])
        pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)]]
        log_areas = np.log(records["width"] * records["height"])
        self.boxes = _longer(self.boxes, count) + np.bincount(who, minlength=count)
        self.images = _longer(self.images, count) + np.bincount(pairs >> 32, minlength=count)
        self.log_areas = _longer(self.log_areas, count) + np.bincount(who, log_areas, minlength=count)

    def frame(self, rejected: Mapping[object, int]) -> pd.DataFrame:
        """One row each, with what is usual among them in words. `rejected`: of their annotations, by name."""
        frame = pd.DataFrame({"batch_key": pd.Series(list(self.numbers), dtype=object), "row": np.arange(len(self.numbers))})
        boxes, images = _longer(self.boxes, len(frame)), _longer(self.images, len(frame))
        frame["boxes"] = boxes.astype(np.int64)
        frame["boxes_per_image"] = boxes / images.clip(min=1)
        frame["log_area"] = _longer(self.log_areas, len(frame)) / boxes.clip(min=1)
        aside = np.array([rejected.get(name, 0) for name in self.numbers], np.float64)
        frame["rejected_share"] = aside / (boxes + aside).clip(min=1)
        usual = frame[["boxes_per_image", "log_area", "rejected_share"]].median()
        per_image, area = usual["boxes_per_image"], np.exp(usual["log_area"])
        frame["usual"] = f"{per_image:.1f} per image of {area:.0f} px², {usual['rejected_share']:.1%} rejected"
        return frame


def _longer(values: np.typing.NDArray[np.float64], count: int) -> np.typing.NDArray[np.float64]:
    return np.append(values, np.zeros(max(0, count - len(values))))
