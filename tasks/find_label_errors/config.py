"""The `find_label_errors` section of a model's definition."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class FindConfig(BaseModel):
    """Where the champion looks, and how many likely errors are listed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(description="name of the model; the DAG fills it in from the definition's file name")
    splits: tuple[Literal["train", "val", "test"], ...] = Field(
        default=("test", "val", "train"), min_length=1, description="which images of the version are looked at"
    )
    most: int = Field(default=1000, ge=1, le=100_000, description="likely errors listed in the table, at most")
    min_score: float = Field(default=0.1, ge=0, lt=1, description="labels that are less likely wrong than this are not listed")
    expected_wrong: float = Field(
        default=0.02, gt=0, lt=0.5, description="share of the labels that is thought to be wrong before looking; moves all scores"
    )
    min_detection: float = Field(
        default=0.02, ge=0, lt=1, description="detections below this score are not looked at; a faint one still speaks for a box"
    )
    pictures: int = Field(default=80, ge=0, le=400, description="in the report, a quarter of them for each kind of error")
    log_every_s: float = Field(default=30, gt=0, description="seconds between lines of the log")

    @field_validator("splits", mode="before")
    @classmethod
    def _of_the_form(cls, value: Any) -> Any:
        """A form's answer comes as text."""
        return value.split(",") if isinstance(value, str) else value
