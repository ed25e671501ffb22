"""Labels that are likely wrong, by what a champion sees in the same pictures; and what annotators were told of them."""

from __future__ import annotations

from typing import ClassVar, Literal

from include.artifacts.base import Card, Frozen, Md5
from include.artifacts.label_return import Returned

ErrorKind = Literal["missing", "spurious", "swapped", "misplaced"]


class LabelReview(Card):
    """`suspects_table`: Parquet, SUSPECTS of include/artifacts/suspects.py, first images that the champion was not trained on,
    each part by falling score. `by_kind`: how many of each, `unseen`: how many of all are in those images. `trusted_on`: images
    that showed how far the champion is to be believed. `page` is the key of the report for people.
    """

    kind: ClassVar[str] = "label_review"

    model: str
    champion_version: str
    bundle: str
    trained_on: str
    dataset: str
    dataset_digest: Md5
    images: int
    annotations: int
    trusted_on: int
    by_kind: dict[ErrorKind, int]
    unseen: int
    unreadable: tuple[str, ...] = ()
    suspects_table: Md5
    page: str


class Told(Frozen):
    """A place in an image that a labelling service was told of. `box`: x y width height px."""

    md5: Md5
    error: ErrorKind
    box: tuple[float, float, float, float]


class SuspectReturn(Card):
    """What was said of a source's labels after a review (md5 of its card). `left_out`: how many were not told, by why."""

    kind: ClassVar[str] = "suspect_return"

    source: str
    review: str
    returned: tuple[Returned, ...]
    told: tuple[Told, ...]
    left_out: dict[str, int]

    @property
    def standing_address(self) -> str:
        return f"labels/{self.source}/told/{self.review}.json"
