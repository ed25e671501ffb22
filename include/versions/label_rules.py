"""How labels become a version: what adopt, import and the import from DVC can be told."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from include.formats import FormatName
from include.versions.splits import SplitFractions


class LabelRules(BaseModel):
    """How labels become a version."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    format: FormatName | None = Field(default=None, description="of the labels; null: there are none")
    labels: tuple[str, ...] = Field(default=(), description="label files or folders; none: all that are with the images")
    classes: tuple[str, ...] | None = Field(default=None, description="in order; null: those of the labels, by name")
    split: SplitFractions | None = Field(default=None, description="shares of the groups; null: as stated, else 0.8, 0.1, 0.1")
    group: str | None = Field(
        default=None, pattern=r"^(folder|regex:.+|attribute:.+)$",
        description="what no split tears apart: the folder, what a pattern finds in the path, an attribute; null: as stated",
    )  # fmt: skip
    boxes_outside: Literal["refuse", "clip", "leave_out"] = Field(default="refuse", description="boxes not inside their image")

    @field_validator("group")
    @classmethod
    def _compiles(cls, group: str | None) -> str | None:
        try:
            re.compile(group or "")
        except re.error as error:
            raise ValueError(f"not a pattern: {error}") from None
        return group
