"""What a version holds: its parent's images, and those of newly checked labels over them.

An image is its bytes (md5): delivered again, it keeps its path, group and split, and its newer labels stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pandas as pd
import pyarrow as pa

from include.artifacts.tables import VERSION_LEFT, to_frame
from include.errors import ConfigError
from include.versions.contents import ANNOTATION_COLUMNS, IMAGE_COLUMNS, LOOKED_AT, Contents, stack, with_looks
from include.versions.names import Names
from include.versions.splits import Split, split_of


@dataclass(frozen=True)
class Checked:
    """Accepted labels of one card: its address, its source, its two tables (include/artifacts/tables.py).

    `withdrawn`: of earlier cards, by address, the images (md5) whose labels it replaces or takes back.
    """

    address: str
    source: str
    images: pa.Table
    annotations: pa.Table
    withdrawn: Mapping[str, frozenset[str]] = field(default_factory=dict)


def merge(contents: Contents, checked: list[Checked], fractions: Mapping[Split, float], known: pd.DataFrame) -> Contents:
    """The parent's contents with newly checked labels over them, in the order given.

    `known`: md5, group and split of what the dataset has or once had; an image that comes back goes where it was.
    """
    for one in checked:
        contents = _merge_one(contents, one, fractions, known)
    return contents


def _merge_one(contents: Contents, checked: Checked, fractions: Mapping[Split, float], known: pd.DataFrame) -> Contents:
    listed = with_looks(to_frame(checked.images))
    came = listed.drop_duplicates("md5", keep="last")
    contents = _without_withdrawn(contents, checked, frozenset(came["md5"]))
    again = contents.images["md5"].isin(came["md5"])
    newest = came.set_index("md5")
    seen = {name: contents.images[name].where(contents.images[name].notna(), contents.images["md5"].map(newest[name]))
            for name in LOOKED_AT}  # fmt: skip
    kept = contents.images.assign(
        source=contents.images["source"].where(~again, checked.source),
        checked_labels=contents.images["checked_labels"].where(~again, checked.address),
        attributes=contents.images["attributes"].where(~again, contents.images["md5"].map(newest["attributes"])),
        **seen,
    )
    new = came[~came["md5"].isin(contents.images["md5"])]
    places = stack(contents.images[VERSION_LEFT.names], known).drop_duplicates("md5")
    fresh = _new_rows(Names(contents.images["relpath"]), new, checked, fractions, places)
    annotations = to_frame(checked.annotations)
    annotations["md5"] = annotations["image_key"].map(listed.set_index("image_key")["md5"])
    annotations["origin"] = annotations["annotation_key"]
    standing = contents.annotations[~contents.annotations["md5"].isin(came["md5"])]
    return replace(
        contents,
        images=stack(kept, fresh),
        annotations=stack(standing, annotations[ANNOTATION_COLUMNS]),
        superseded=contents.superseded + int(again.sum()),
    )


def _without_withdrawn(contents: Contents, checked: Checked, came: frozenset[str]) -> Contents:
    """Without the images that an earlier card brought and that its correction, or a deletion, no longer has."""
    gone = pd.Series(False, index=contents.images.index)
    for address, md5s in checked.withdrawn.items():
        gone |= (contents.images["checked_labels"] == address) & contents.images["md5"].isin(md5s - came)
    if not gone.any():
        return contents
    names = frozenset(contents.images["md5"][gone])
    return replace(
        contents,
        images=contents.images[~gone].reset_index(drop=True),
        annotations=contents.annotations[~contents.annotations["md5"].isin(names)].reset_index(drop=True),
        withdrawn=contents.withdrawn + len(names),
    )


def _new_rows(
    names: Names, came: pd.DataFrame, checked: Checked, fractions: Mapping[Split, float], places: pd.DataFrame
) -> pd.DataFrame:
    """Rows for images that the parent has not, with a path and a split for each."""
    # a known group stays where it is, even if the definition's fractions have changed since
    known: dict[str, Split] = dict(zip(places["group"], places["split"], strict=True))
    groups = came["group"].astype(object).where(came["group"].notna(), came["md5"])
    returning = places.set_index("md5")
    groups = came["md5"].map(returning["group"]).astype(object).fillna(groups)
    splits = came["md5"].map(returning["split"]).astype(object).fillna(groups.map(known))
    return pd.DataFrame(
        {
            "relpath": [names.take(f"images/{key}", md5) for key, md5 in zip(came["image_key"], came["md5"], strict=True)],
            "md5": came["md5"].array,
            "size_bytes": came["size_bytes"].astype("int64").array,
            "width_px": came["width_px"].astype("int64").array,
            "height_px": came["height_px"].astype("int64").array,
            "group": groups.array,
            "split": [
                split if isinstance(split, str) else split_of(group, fractions)
                for split, group in zip(splits, groups, strict=True)
            ],
            "source": checked.source,
            "checked_labels": checked.address,
            "attributes": came["attributes"].array,
            **{name: came[name].array for name in LOOKED_AT},
        },
        columns=IMAGE_COLUMNS,
    )


def leave_out(contents: Contents, names: tuple[str, ...]) -> Contents:
    """Without the images of these paths or md5s, and their labels."""
    images, annotations = contents.images, contents.annotations
    kept = images[~(images["relpath"].isin(names) | images["md5"].isin(names))].reset_index(drop=True)
    of_kept = annotations[annotations["md5"].isin(kept["md5"])].reset_index(drop=True)
    return replace(contents, images=kept, annotations=of_kept)


def check_classes(checked: list[Checked], parent: Contents, classes: tuple[str, ...]) -> None:
    """Raises ConfigError that names every class of the labels, or of earlier versions, that the dataset does not have."""
    problems = []
    for one in checked:
        counts = pd.Series(one.annotations["class_name"].to_pylist(), dtype=object).value_counts()
        problems += [
            f"{name} ({count} boxes of {one.source}, {one.address})" for name, count in counts.items() if name not in classes
        ]
    counts = parent.annotations["class_name"].value_counts()
    problems += [f"{name} ({count} boxes of earlier versions)" for name, count in counts.items() if name not in classes]
    if problems:
        raise ConfigError(
            f"labels with classes that the dataset does not have: got {'; '.join(problems)}; expected {', '.join(classes)}. "
            "Add the class to include/datasets/<name>.yaml, or map it in validate_annotations.classes of the source"
        )
