"""What a dataset is made of, and its rules: include/datasets/<name>.yaml → DAG dataset__<name>."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from include.definitions.base import Definition, Section


class DatasetDefinition(Definition):
    """Which sources feed it, and which classes it knows."""

    noun: ClassVar[str] = "dataset"
    folder: ClassVar[str] = "datasets"

    sources: tuple[str, ...] = Field(min_length=1)
    classes: tuple[str, ...] = Field(min_length=1, description="in order: the first is category 1")
    build_dataset: Section = Field(default_factory=dict)
