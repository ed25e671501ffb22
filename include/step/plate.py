"""tasks/<step>/step.toml: what a step reads and writes, by kind, and what it needs to run. Read while a DAG is parsed."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from include.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


class StepPlate(BaseModel):
    """The contract of one step. An input of kind `checked_labels[]` is a folder of cards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    image: Literal["data", "torch"]
    output: str
    inputs: dict[str, str] = Field(default_factory=dict)
    cpus: float = Field(gt=0, description="hard limit, cores")
    memory_mb: int = Field(ge=64, description="hard limit; docker and kubernetes only")
    shm_mb: int = Field(default=64, description="/dev/shm, for data loader workers")
    gpus: int = Field(default=0, ge=0)
    time_limit_minutes: int = Field(gt=0)
    links: tuple[Literal["mlflow", "data_docs", "report", "dataset_card", "near_duplicates", "spot_check"], ...] = ()


@cache
def read_plate(step: str, root: Path = ROOT) -> StepPlate:
    """Raises ConfigError that names the file and the key."""
    path = root / "tasks" / step / "step.toml"
    try:
        return StepPlate(name=step, **tomllib.loads(path.read_text()))
    except FileNotFoundError:
        steps = ", ".join(sorted(p.parent.name for p in (root / "tasks").glob("*/step.toml")))
        raise ConfigError(f"no step {step!r}: {path} does not exist; the steps are {steps}") from None
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigError(f"tasks/{step}/step.toml: {error}") from None
