"""What build_dataset is told: the dataset's name and classes, and how it is split."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from include.versions.alike.duplicates import NearDuplicates
from include.versions.compare.shift_gate import ShiftRules
from include.versions.splits import SplitFractions


class BuildDataset(BaseModel):
    """Section build_dataset of include/datasets/<name>.yaml; the DAG adds name and classes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="versions stand at datasets/<name>/v<n>.json")
    classes: tuple[str, ...] = Field(min_length=1, description="in order: the first is category 1")
    split: SplitFractions = Field(
        default_factory=SplitFractions, description="for groups not seen before: a known group stays in its split"
    )
    near_duplicates: NearDuplicates = Field(
        default_factory=NearDuplicates, description="pictures in different splits that look the same"
    )
    shift: ShiftRules = Field(default_factory=ShiftRules, description="how far a version may move from its parent")
    leave_out: tuple[str, ...] = Field(default=(), description="images that no version from now on has: paths in it, or md5s")
