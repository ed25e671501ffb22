"""Keep, or leave out, the images that meet conditions on any column: site, camera, review state, date, tag, annotator."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from include.artifacts import DatasetVersion
from include.errors import ConfigError
from include.step.step_run import StepRun
from include.versions.contents import Contents
from include.versions.publish import Made

Comparison = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in", "contains"]


class Condition(BaseModel):
    """`column` is a column of images or annotations, or the name of one of their attributes; images are looked at first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    is_: Comparison = Field(default="==", alias="is")
    value: str | int | float | bool | tuple[str | int | float | bool, ...]

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: Any) -> Any:
        """`site == north`, `width_px >= 32`, `annotator in ann,bob`: as people write it, in a terminal and in a form."""
        if not isinstance(given, str):
            return given
        found = re.fullmatch(r"\s*(\S+?)\s*(==|!=|<=|>=|<|>|\bnot in\b|\bin\b|\bcontains\b)\s*(.+?)\s*", given)
        if not found:
            raise ValueError("expected <column> ==|!=|<|<=|>|>=|in|not in|contains <value>")
        column, comparison, value = found.groups()
        several = [plain(one) for one in value.split(",")]
        return {"column": column, "is": comparison, "value": several if comparison.endswith("in") else plain(value)}


class Filter(BaseModel):
    """Of an image column: whole images. Of an annotation column: single annotations (their images stay)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: Literal["filter", "exclude"]
    where: tuple[Condition, ...] = Field(min_length=1, description="all of them must hold")


def plain(text: str) -> Any:
    """A number or a truth value where the text is one; else the text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text.strip().strip("'\"")
    return value if isinstance(value, int | float | bool | str) else text.strip()


def apply(step: StepRun[Any], parents: Sequence[DatasetVersion], asked: Filter) -> Made:
    """The one parent, less what the conditions leave out. Raises ConfigError for a column that is not there."""
    (parent,) = parents
    before = Contents.read(step.content, parent)
    after = chosen(before, asked)
    counts = {
        "images_left_out": len(before.images) - len(after.images),
        "annotations_left_out": len(before.annotations) - len(after.annotations),
    }
    return Made(after, parent.classes, counts)


def chosen(contents: Contents, asked: Filter) -> Contents:
    """What stays. An annotation stays where its image does."""
    images, annotations = contents.images, contents.annotations
    of_image = pd.Series(True, images.index)
    of_annotation = pd.Series(True, annotations.index)
    asks_annotations = False
    for condition in asked.where:
        if (column := column_of(images, condition.column)) is not None:
            of_image &= holds(column, condition)
        elif (column := column_of(annotations, condition.column)) is not None:
            of_annotation &= holds(column, condition)
            asks_annotations = True
        else:
            raise ConfigError(f"{asked.operation}: no column or attribute {condition.column!r}; there are: {known(contents)}")
    met = of_annotation & annotations["md5"].isin(images["md5"][of_image])
    if asked.operation == "filter":
        keep_images, keep_annotations = of_image, met
    elif asks_annotations:
        keep_images, keep_annotations = pd.Series(True, images.index), ~met
    else:
        keep_images, keep_annotations = ~of_image, ~met
    return Contents(images[keep_images].reset_index(drop=True), annotations[keep_annotations].reset_index(drop=True))


def column_of(frame: pd.DataFrame, name: str) -> pd.Series[Any] | None:
    """A column, or the values of an attribute (null where a row has none); None if no row has it."""
    if name in frame and name != "attributes":
        return frame[name]
    values = attributes_of(frame).map(lambda found: found.get(name))
    return values if values.notna().any() else None


def attributes_of(frame: pd.DataFrame) -> pd.Series[Any]:
    """Each row's attributes as a dict."""
    return frame["attributes"].map(lambda text: json.loads(text) if isinstance(text, str) else {})


def known(contents: Contents) -> str:
    """Every name that a condition can use."""
    frames = (contents.images, contents.annotations)
    columns = {str(column) for frame in frames for column in frame if column != "attributes"}
    return ", ".join(sorted(columns | {name for frame in frames for found in attributes_of(frame) for name in found}))


def holds(column: pd.Series[Any], condition: Condition) -> pd.Series[bool]:
    """Where the condition holds. A null meets only `!=` and `not in`."""
    asked = condition.value
    match condition.is_:
        case "in" | "not in":
            several = asked if isinstance(asked, tuple) else (asked,)
            found = column.isin(list(several))
            return found if condition.is_ == "in" else ~found
        case "contains":
            return column.map(lambda value: not pd.isna(value) and str(asked) in str(value)).astype(bool)
        case "==":
            return column == asked
        case "!=":
            return column != asked
    compare = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[condition.is_]
    try:
        met: pd.Series[bool] = compare(column.dropna(), asked).reindex(column.index, fill_value=False).astype(bool)
        return met
    except TypeError:
        kind = type(column.dropna().iloc[0]).__name__
        raise ConfigError(
            f"{condition.column} {condition.is_} {asked!r}: the column holds {kind}, got {type(asked).__name__}"
        ) from None
