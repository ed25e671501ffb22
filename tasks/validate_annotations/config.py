"""What validate_annotations is told: which classes are known, and by which rules labels are checked."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from include.definitions.expectations import Gate, Settings
from include.definitions.suites import InUse, resolve


class ValidateAnnotations(BaseModel):
    """Section validate_annotations of include/sources/<name>.yaml; the DAG adds source, owner and the resolved rules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(description="the source's name: the batch must be of this source")
    owner: str = Field(description="who is asked to mend what is set aside")
    classes: dict[str, str] = Field(
        min_length=1, description="class name as labelled → class name in datasets; others are set aside"
    )
    suites: tuple[str, ...] = Field(
        default=("detector",), description="of include/expectations/, in order: later ones change earlier"
    )
    rules: Settings = Field(default_factory=dict, description="what this source changes: rule → action and parameters")
    gates: tuple[Gate, ...] = Field(default=(), description="besides those of the suites: shares that stop the batch")
    in_use: InUse = Field(
        default_factory=InUse, description="suites and rules put together, when the DAG was made; else by the step"
    )
    let_through_because: str = Field(default="", description="why a batch that a rule or gate stops may teach nevertheless")

    @model_validator(mode="after")
    def _resolved(self) -> Self:
        """By hand nobody has put the rules together. Raises ConfigError."""
        if not self.in_use.rules:
            chosen: dict[str, Any] = self.model_dump(include={"classes", "suites", "rules", "gates"})
            object.__setattr__(self, "in_use", resolve(chosen, self.source))
        return self
