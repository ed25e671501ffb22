"""A new version from others: read the parents, let the operation work, publish what it made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from include.artifacts import DatasetVersion
from include.errors import ConfigError, NothingToDo
from include.step.step_run import StepRun, resolve_dataset
from include.versions.alike.duplicates import NearDuplicates
from include.versions.keep.broken import refuse_broken
from include.versions.operations import adopt, import_dvc, merge, transform
from include.versions.operations import filter as filtering
from include.versions.publish import Made, publish_derived, version_of_this_run

Operation = Annotated[
    filtering.Filter | transform.Transform | merge.Merge | adopt.Adopt | import_dvc.ImportDvc,
    Field(discriminator="operation", description="which one, and its parameters"),
]
Apply = Callable[[StepRun[Any], Sequence[DatasetVersion], Any], Made]
# operation → what does it, fewest and most parents
OPERATIONS: dict[str, tuple[Apply, int, int]] = {
    "filter": (filtering.apply, 1, 1),
    "exclude": (filtering.apply, 1, 1),
    "transform": (transform.apply, 1, 1),
    "merge": (merge.apply, 2, 10_000),
    "adopt": (adopt.apply, 0, 0),
    "import_dvc": (import_dvc.apply, 0, 0),
}


class DeriveDataset(BaseModel):
    """`name` is the dataset that gets the new version: a parent's, or another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="versions stand at datasets/<name>/v<n>.json")
    do: Operation
    near_duplicates: NearDuplicates = Field(
        default_factory=NearDuplicates, description="pictures in different splits that look the same"
    )


def derive(step: StepRun[DeriveDataset]) -> DatasetVersion:
    """The version that stands for this run: of an earlier try, or new. Raises NothingToDo where nothing would change."""
    config = step.config
    if (earlier := version_of_this_run(step, config.name)) is not None:
        return earlier
    operation = config.do.operation
    apply, fewest, most = OPERATIONS[operation]
    parents = read_parents(step)
    if not fewest <= len(parents) <= most:
        wanted = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        raise ConfigError(f"{operation}: got {len(parents)} parent versions, expected {wanted} (--input parents=dataset://…,…)")
    made = apply(step, parents, config.do)
    if made.contents.images.empty:
        raise NothingToDo(f"{operation} leaves no image: a version needs at least one")
    version = publish_derived(step, config.name, operation, parents, made)
    step.log.info("%s  digest %s  %d bytes, %d of them new", version.label, version.digest, version.size_bytes, version.new_bytes)
    return version


def read_parents(step: StepRun[Any]) -> list[DatasetVersion]:
    """The versions that `parents` names, in its order; movable names are frozen for the run first. None may be broken."""
    named = [address for address in step.addresses["parents"].split(",") if address]
    keys = [step.freeze(address, partial(resolve_dataset, step.store, address)) for address in named]
    parents = [step.card_at("parents", DatasetVersion, key) for key in keys]
    for parent in parents:
        refuse_broken(step.store, parent)
    return parents
