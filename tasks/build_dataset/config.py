"""What build_dataset is told: the dataset's name and classes, and how it is split."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from include.versions.splits import Split


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


class BuildDataset(BaseModel):
    """Section build_dataset of include/datasets/<name>.yaml; the DAG adds name and classes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="versions stand at datasets/<name>/v<n>.json")
    classes: tuple[str, ...] = Field(min_length=1, description="in order: the first is category 1")
    split: SplitFractions = Field(
        default_factory=SplitFractions, description="for groups not seen before: a known group stays in its split"
    )
