"""A sample of a batch's accepted labels, for a person to look at."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from include.artifacts.base import Card, Frozen

Subject = Literal["annotation", "image"]


class Stratum(Frozen):
    """Labels, or pictures, that have something in common: how many there are, and how many of them are in the sample."""

    subject: Subject
    name: str
    population: int
    sampled: int


class SpotCheck(Card):
    """The sample's rows (include/spot_checks/sheet.py) are at `sample`, as a page and a sheet at `page` and `sheet`. A person's
    verdicts are below `verdicts`. Of a batch the first sample stands: verdicts name its rows by number.
    """

    kind: ClassVar[str] = "spot_check"

    source: str
    batch_id: str
    by: tuple[str, ...] = Field(description="what the strata of annotations have in common")
    strata: tuple[Stratum, ...]
    sample: str
    page: str
    sheet: str

    @property
    def standing_address(self) -> str:
        return f"labels/{self.source}/spot_checks/{self.batch_id}.json"

    @property
    def verdicts(self) -> str:
        return f"labels/{self.source}/spot_checks/{self.batch_id}/verdicts"
