"""An immutable version of a dataset: a DVC directory object, its tables, its parents."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from include.artifacts.base import Card, Frozen, Md5


class SplitCount(Frozen):
    """How much one split holds."""

    images: int
    annotations: int
    groups: int


class DatasetVersion(Card):
    """`digest` is the md5 of the listing (files/md5/…<digest>.dir), as `dvc add` would give for the same folder."""

    kind: ClassVar[str] = "dataset_version"

    name: str
    version: str
    operation: str = "build"  # or what made it from its parents: include/versions/operations/
    digest: Md5
    parents: tuple[str, ...]
    classes: tuple[str, ...]
    images_table: Md5
    annotations_table: Md5
    left_table: Md5 | None = Field(
        default=None, description="images of earlier versions that left: md5, group, split; null: none"
    )
    splits: dict[str, SplitCount]
    size_bytes: int
    new_bytes: int
    checked_labels: tuple[str, ...]
    counts: dict[str, int] = Field(default_factory=dict, description="what the operation did, in numbers")

    @property
    def standing_address(self) -> str:
        return f"datasets/{self.name}/{self.version}.json"

    @property
    def label(self) -> str:
        """name:version"""
        return f"{self.name}:{self.version}"
