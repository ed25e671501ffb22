"""What is trained on a dataset, its gates and its schedule: include/models/<name>.yaml → DAGs model__<name>, review__<name>."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from include.definitions.base import Definition, Section


class ModelDefinition(Definition):
    """One dataset, a schedule, and a section per step: what tasks/<step>/config.py describes."""

    noun: ClassVar[str] = "model"
    folder: ClassVar[str] = "models"

    dataset: str
    nightly: str = Field(default="0 2 * * *", description="cron, UTC; also runs when the dataset has a new version")
    late_after_h: float = Field(default=8, gt=0, description="hours after its start a run that has not ended is told of as late")
    train_detector: Section = Field(default_factory=dict)
    pack_model: Section = Field(default_factory=dict)
    evaluate_model: Section = Field(default_factory=dict)
    test_bundle: Section = Field(default_factory=dict)
    promote_model: Section = Field(default_factory=dict)
    review: str = Field(
        default="by hand", description="when review__<name> looks for label errors: by hand, new champion, or cron (UTC)"
    )
    find_label_errors: Section = Field(default_factory=dict)
    return_suspects: Section | None = Field(
        default=None,
        description="the likeliest label errors go to the labelling services, once a person has approved; null: never",
    )
