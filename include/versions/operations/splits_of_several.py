"""One split for what parents have in different ones: test goes before val, val before train, and a group is never torn apart."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from include.versions.splits import SPLITS


@dataclass(frozen=True)
class Settled:
    """`split` of every md5. `moved`: md5s that have another one in some version → which, by version."""

    split: dict[str, str]
    moved: dict[str, list[tuple[int, str]]]
    because_of_group: int


def settle(images: pd.DataFrame, standing: pd.DataFrame) -> Settled:
    """`images` of all parents, with their `parent` number; `standing`: what the dataset's newest version has,
    or it or a parent once had: -1.

    Groups that share an image are one: all their images go to the most protected split that any of them has anywhere.
    """
    votes = images[["md5", "group", "split", "parent"]]
    if len(standing):
        votes = pd.concat([votes, standing.assign(parent=-1)[votes.columns]], ignore_index=True)
    rank = votes["split"].map({split: number for number, split in enumerate(SPLITS)})
    together = joined(votes["md5"].tolist(), votes["group"].tolist())
    final = rank.groupby(together).transform("max")
    here = votes["md5"].isin(set(images["md5"]))
    moved: dict[str, list[tuple[int, str]]] = {}
    alone = rank.groupby(votes["md5"]).transform("max")
    for md5 in votes["md5"][here & (rank != final)].drop_duplicates():
        moved[md5] = []
    for md5, parent, split in votes.loc[votes["md5"].isin(moved), ["md5", "parent", "split"]].itertuples(index=False, name=None):
        moved[md5].append((parent, split))
    split = {md5: SPLITS[number] for md5, number in zip(votes["md5"][here], final[here], strict=True)}
    return Settled(split, moved, votes["md5"][here & (alone != final)].nunique())


def joined(md5s: list[str], groups: list[str]) -> pd.Series[int]:
    """For each row a number: the same for rows that are tied by groups and images, however far apart."""
    root: dict[tuple[str, str], tuple[str, str]] = {}

    def find(one: tuple[str, str]) -> tuple[str, str]:
        while (above := root.setdefault(one, one)) != one:
            root[one] = root.get(above, above)
            one = above
        return one

    for md5, group in zip(md5s, groups, strict=True):
        root[find(("image", md5))] = find(("group", group))
    numbers: dict[tuple[str, str], int] = {}
    return pd.Series([numbers.setdefault(find(("image", md5)), len(numbers)) for md5 in md5s], dtype="int64")
