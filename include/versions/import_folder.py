"""A folder on this machine becomes a version: what the store has not is sent, by content."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from include.artifacts import DatasetVersion
from include.artifacts.tables import table_of
from include.errors import ConfigError, NothingToDo
from include.formats import FORMATS, local_tree
from include.formats.tree import size_in
from include.step.step_run import StepRun
from include.versions.alike.duplicates import NearDuplicates
from include.versions.copies.upload import Sender, present
from include.versions.label_rules import LabelRules
from include.versions.labelled import contents_of
from include.versions.making import FILES, File
from include.versions.progress import steadily
from include.versions.publish import Made, publish_derived


class ImportFolder(LabelRules):
    """`labels` are relative to the folder."""

    operation: Literal["import"] = "import"
    folder: str


class ImportDataset(BaseModel):
    """What the command is told; written into the version's card."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    do: ImportFolder
    near_duplicates: NearDuplicates = NearDuplicates()


def import_folder(step: StepRun[ImportDataset]) -> DatasetVersion:
    """The next version of the dataset. Labels are read first: nothing is sent where they do not fit."""
    asked = step.config.do
    folder = Path(asked.folder)
    if not folder.is_dir():
        raise ConfigError(f"import: {folder}: no such folder")
    tree = local_tree(folder, asked.labels)
    labels = FORMATS[asked.format].read(tree) if asked.format else None
    if labels is not None:
        labels.problems.refuse("labels")
    wanted = sorted({one.path for one in labels.images} & set(tree.images)) if labels is not None else tree.images
    if not wanted:
        raise ConfigError(f"import: {folder}: no image in it{' that the labels name' if labels is not None else ''}")
    there = present(step.content, len(wanted))
    sender = Sender(step.content, folder, there or set(), is_all_known=there is not None)
    sent = steadily(lambda path: _send(sender, folder, path), wanted, len(wanted), step.log, "files")
    files = table_of((file for file in sent if file is not None), FILES)
    contents, classes, counts = contents_of(asked, labels, files, source=folder.resolve().name)
    counts["files without labels, left out"] = len(tree.images) - len(wanted)
    counts["files that are no readable image, left out"] = len(wanted) - len(files)
    if contents.images.empty:
        raise NothingToDo("import: no image that could be read: a version needs at least one")
    return publish_derived(step, step.config.name, "import", (), Made(contents, classes, dict(+counts)))


def _send(sender: Sender, folder: Path, path: str) -> File | None:
    """None for what is no image: it stays here. A large file is never in memory as a whole."""
    with open(folder / path, "rb") as file:
        size = size_in(file)
    if size is None:
        return None
    sent = sender.send(path)
    return File(path, sent.md5, sent.size_bytes, *size)
