"""A model as it goes to production: one archive with weights, configuration and a picture with the expected detections."""

from __future__ import annotations

from typing import ClassVar

from include.artifacts.base import Card, Md5


class Bundle(Card):
    """`files` are the archive's contents by path: archives are not byte-deterministic, their contents are."""

    kind: ClassVar[str] = "bundle"

    model: str
    tag: str
    archive: Md5
    archive_bytes: int
    files: dict[str, Md5]
    checkpoint: str
    dataset: str
    dataset_digest: Md5
    classes: tuple[str, ...]
    mlflow_run_id: str
