"""The page of a merge: which images had different labels, who won, and which went to another split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from include import pages
from include.versions.operations.splits_of_several import Settled

ROWS = 1000  # a browser shows these at once; the counts tell of all
RULES = {
    "first": "The first parent that has an image decides on its labels.",
    "last": "The last parent that has an image decides on its labels.",
    "union": "All boxes stand, less those of the same class with IoU > 0.9, of which the first stands.",
    "error": "Parents with different labels would have stopped the merge.",
}


def some(images: pd.DataFrame, md5s: Sequence[str]) -> str:
    """The first 20 by path."""
    path = images.drop_duplicates("md5").set_index("md5")["relpath"]
    more = f" and {len(md5s) - 20} more" if len(md5s) > 20 else ""
    return ", ".join(path[md5] for md5 in md5s[:20]) + more


def page_of(
    labels: Sequence[str], rule: str, images: pd.DataFrame, annotations: pd.DataFrame, boxes: pd.DataFrame,
    disputed: Sequence[str], splits: Settled, counts: Mapping[str, int],
) -> bytes:  # fmt: skip
    """The whole page. `annotations`: of all parents; `boxes`: those that stand."""
    facts = [[name.replace("_", " "), f"{count:,}"] for name, count in {"parents": len(labels), **counts}.items()]
    parts = [pages.paragraph(RULES[rule]), pages.table(["", ""], facts)]
    if disputed:
        parts += [pages.heading("Different labels"), _limited(disputed)]
        rows = label_rows(labels, rule, images, annotations, boxes, disputed[:ROWS])
        parts.append(pages.table(["image", "boxes per parent", "stands", "boxes now"], rows))
    if splits.moved:
        because = f"{splits.because_of_group} of them because another image of their group is in it: a group is not torn apart."
        parts += [pages.heading("Moved to a more protected split"), pages.paragraph(because), _limited(splits.moved)]
        parts.append(pages.table(["image", "split per parent", "split now"], split_rows(labels, images, splits)))
    return pages.page(f"Merge of {len(labels)} versions", *parts)


def _limited(found: Sequence[str] | Mapping[str, object]) -> str:
    return pages.paragraph(f"The first {ROWS:,} of {len(found):,} images.", "soft") if len(found) > ROWS else ""


def label_rows(
    labels: Sequence[str],
    rule: str,
    images: pd.DataFrame,
    annotations: pd.DataFrame,
    boxes: pd.DataFrame,
    disputed: Sequence[str],
) -> list[list[str]]:
    """Image, boxes of each parent that has it, who won, boxes that stand."""
    mine = images[images["md5"].isin(disputed)]
    counts = annotations[annotations["md5"].isin(disputed)].groupby(["md5", "parent"]).size().to_dict()
    now = boxes["md5"].value_counts()
    rows = []
    for md5, of_image in mine.groupby("md5", sort=False):
        parents = of_image["parent"].tolist()
        winner = "all" if rule == "union" else labels[parents[-1] if rule == "last" else parents[0]]
        per_parent = ", ".join(f"{labels[parent]} {counts.get((md5, parent), 0)}" for parent in parents)
        rows.append([of_image["relpath"].iloc[0], per_parent, winner, str(now.get(md5, 0))])
    return rows


def split_rows(labels: Sequence[str], images: pd.DataFrame, splits: Settled) -> list[list[str]]:
    """Image, its split in each version that has it, its split now."""
    path = images.drop_duplicates("md5").set_index("md5")["relpath"]
    name = [*labels, "the dataset's newest version"]  # number -1
    return [
        [path[md5], ", ".join(f"{name[parent]} {split}" for parent, split in versions), splits.split[md5]]
        for md5, versions in list(splits.moved.items())[:ROWS]
    ]
