"""What every definition has."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

Section = dict[str, Any]


class Definition(BaseModel):
    """One YAML file of the team's. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    noun: ClassVar[str]
    folder: ClassVar[str]  # below include/

    name: str
    owner: str = Field(description="who is asked about it; shown in Airflow")
    description: str = ""
