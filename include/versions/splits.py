"""Which split an image belongs to: it follows from its group alone, so no image ever moves from test to train."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Split = Literal["train", "val", "test"]
SPLITS: Final[tuple[Split, ...]] = ("train", "val", "test")


def split_of(group: str, fractions: Mapping[Split, float]) -> Split:
    """The split of a group (scene, site, patient), by a hash of its name.

    The md5 of the name, as a number in [0, 1), falls below `train`, below `train + val`, or above. Adding groups moves none.
    """
    place = int(hashlib.md5(group.encode(), usedforsecurity=False).hexdigest()[:8], 16) / 2**32
    if place < fractions["train"]:
        return "train"
    return "val" if place < fractions["train"] + fractions["val"] else "test"


class SplitFractions(BaseModel):
    """Shares of the groups (not of the images), which sum to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: float = Field(default=0.8, ge=0, le=1)
    val: float = Field(default=0.1, ge=0, le=1)
    test: float = Field(default=0.1, ge=0, le=1)

    @model_validator(mode="after")
    def _sum_to_one(self) -> SplitFractions:
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + val + test is {total:g}, expected 1")
        return self

    @property
    def by_split(self) -> dict[Split, float]:
        return {"train": self.train, "val": self.val, "test": self.test}
