"""What a source's YAML says of a CVAT server: of which project or tasks, and what counts as finished."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from include.labelling.connector import ServiceSettings


class Finished(BaseModel):
    """When a job is finished work: at one of these stages, in one of these states."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stages: tuple[Literal["annotation", "validation", "acceptance"], ...] = ("acceptance",)
    states: tuple[Literal["new", "in progress", "completed", "rejected"], ...] = ("completed",)


class Settings(ServiceSettings):
    """Of which project, or of which tasks, and what counts as finished. `annotators` are compared with a job's assignee."""

    project: int | None = Field(default=None, description="its number, as in the address /projects/3")
    tasks: tuple[int, ...] = Field(default=(), description="numbers of single tasks, instead of a project")
    finished: Finished = Finished()
    job_types: tuple[Literal["annotation", "replica"], ...] = Field(
        default=("annotation",), description="replica: each annotator's own copy in a consensus task, to compare them"
    )
    assignee_is: Literal["annotator", "reviewer"] = Field(
        default="annotator", description="of a finished job: reviewer, where the team hands a job over to who reviews it"
    )

    @model_validator(mode="after")
    def _is_of_something(self) -> Self:
        if (self.project is None) == (not self.tasks):
            raise ValueError("expected `project` or `tasks`, and not both")
        if self.annotators is not None and self.assignee_is == "reviewer":
            raise ValueError("`annotators` cannot be told where the assignee is the reviewer")
        return self
