"""What spot_check is told: how many labels a person looks at, and what the strata have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SpotCheckConfig(BaseModel):
    """Section spot_check of include/sources/<name>.yaml; the DAG adds source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    sample: int = Field(default=200, ge=1, le=5000, description="annotations of a batch that are looked at")
    images: int = Field(default=50, ge=0, le=1000, description="pictures that are looked at whole, for missed objects")
    by: tuple[str, ...] = Field(
        default=("class_name", "annotator"),
        description="columns of annotations (job, reviewer, guideline, shape …), `delivery` or `group` of their picture, or an "
        "attribute of the picture (site): labels that are equal in all of them are a stratum",
    )
    min_per_stratum: int = Field(default=5, ge=1, description="of a small one too; those that find no room are one together")
