"""What a step reads, named before it exists: the kind of artifact and its address."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from include.storage.addresses import CARD

RUN_FOLDER = "{run_folder}"  # replaced by runs/<dag>/<run> when the task runs


@dataclass(frozen=True)
class ArtifactRef:
    """`kind` is a card's kind, with `[]` for folders of cards."""

    kind: str
    address: str


def card_of(task_id: str, kind: str) -> ArtifactRef:
    """What another task of the same run makes."""
    return ArtifactRef(kind, f"{RUN_FOLDER}/{task_id}/{CARD}")


def dataset(name: str, version: str) -> ArtifactRef:
    """A dataset version by name; `latest` is frozen when the run first reads it."""
    return ArtifactRef("dataset_version", f"dataset://{name}:{version}")


def dataset_versions(names: str) -> ArtifactRef:
    """Several versions by name, comma-separated; none for what is made from files."""
    return ArtifactRef("dataset_version[]", names)


def checked_labels(sources: Iterable[str]) -> ArtifactRef:
    """Every validated batch of these sources."""
    return ArtifactRef("checked_labels[]", ",".join(f"labels/{source}/checked" for source in sources))


def label_batch(source: str, batch: str) -> ArtifactRef:
    """One batch, as it came."""
    return ArtifactRef("label_batch", f"labels/{source}/batches/{batch}.json")


def label_batches(sources: Iterable[str]) -> ArtifactRef:
    """Every batch of these sources, as it came."""
    return ArtifactRef("label_batch[]", ",".join(f"labels/{source}/batches" for source in sources))
