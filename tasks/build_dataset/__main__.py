"""Make the next version of a dataset from the labels that were checked since the last one.

    python -m tasks.build_dataset --input labels=labels/trees/checked,labels/crowns/checked --output FOLDER --config '{
        "name": "trees", "classes": ["Tree"], "split": {"train": 0.7, "val": 0.1, "test": 0.2}}'

Reads   the newest version of the dataset and the checked_labels cards that it has not, in the order in which they were made.
Writes  a dataset_version card at `datasets/<name>/v<n>.json`, never overwritten; two tables, one COCO file per split and a DVC
        directory object by content; a page beside the card. Of image bytes only those that are new are read, once: a
        version costs what changed.

In the version's folder, as `dvc pull` gives it: `images/<source>/<delivery>/<file>` and `annotations/{train,val,test}.json`.
An image is its bytes: delivered again, it keeps its path, group and split, and its newer labels replace the older. Its split
follows from a hash of its group (its own md5 if the labels state none), so no image ever moves between splits; a known group
keeps its split even when the fractions change, and what left and comes back goes where it was. Of two builders at once one
takes the number, the other looks again.

Class, size, place, site and so on are compared with the version before (shift): *Report* shows how far each has moved, the log
what moved beyond the team's limits.

Exit 99 if no labels are new, or if they change nothing. Exit 2 if labels have a class that the dataset has not. Exit 3 if
pictures in different splits look the same (near_duplicates): *Near duplicates* shows them; or if a column shifted further than
the dataset's shift.stop says.
"""

from __future__ import annotations

from include.artifacts import DatasetVersion
from include.step.run import StepRun, main
from include.versions.compare.card_page import publish_page
from include.versions.publish import version_of_this_run
from tasks.build_dataset.build import build_next
from tasks.build_dataset.config import BuildDataset


def build(step: StepRun[BuildDataset]) -> DatasetVersion:
    """The version that stands for this run: of an earlier try, or new. Raises NothingToDo."""
    while True:
        # asked again after a lost race: a store's client that retries can lose against itself
        version = version_of_this_run(step, step.config.name) or build_next(step)
        if version is not None:
            return version


if __name__ == "__main__":
    main("build_dataset", BuildDataset, build, after=publish_page)
