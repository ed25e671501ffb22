"""No picture is tested on that was trained on: pictures that look the same in different splits block publication.

Near ones: pictures whose 64-bit hashes lie close are compared once more by their thumbnails, because pictures with little in
them can have close hashes and still differ. Exact ones: a version has an image once, so they are the files that were left out
because their bytes lie in another split. What looks like nothing (one colour, not readable) is like nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, islice
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from include.artifacts import DatasetVersion
from include.artifacts.tables import from_parquet
from include.errors import BadInputError
from include.step.step_run import StepRun
from include.storage import ContentStore
from include.storage.content import in_threads
from include.versions.alike.close_hashes import Block, Ints, close_pairs
from include.versions.alike.duplicates_page import PAGE, Pair, Side, counted, render
from include.versions.alike.fingerprints import FLAT, Levelled, Looks, as_numbers, differences, levelled, looks, thumbnail
from include.versions.contents import LOOKED_AT, Contents
from include.versions.progress import steadily
from include.versions.splits import SPLITS

NAMED = 20  # pairs in the error
ENOUGH = 1000  # pairs after which no more are looked for: the dataset needs more than a look at each
THUMBNAILS = 10_000  # in memory at once: 120 MB, twice that for a moment


class NearDuplicates(BaseModel):
    """What counts as the same picture, and what is done where two splits have it. Kept in the version's card."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Literal["block", "report", "off"] = Field(
        default="block", description="block: no version; report: a version, with their number in its card; off: not looked for"
    )
    max_distance: int = Field(
        default=6, ge=0, le=11, description="bits of the 64 of the hash (fingerprints.py has what was measured)"
    )
    max_difference: float = Field(default=0.45, ge=0, le=1, description="of thumbnails, in units of their contrast; unrelated: 1")


def keep_apart(
    step: StepRun[Any], contents: Contents, settings: NearDuplicates, before: Sequence[DatasetVersion]
) -> tuple[Contents, dict[str, int]]:
    """The contents, each image with its hash, and counts for the card. Raises BadInputError for what lies in two splits.

    `before`: versions that were published already. What one of them holds was hashed then, and found apart by the same rules.
    """
    if settings.action == "off":
        return contents, {}
    pairs = [*exact_pairs(contents)]
    if contents.images["split"].nunique() > 1:
        contents = with_hashes(step, contents, before)
        pairs += near_pairs(step.content, contents.images, settings, found_apart(step.content, contents.images, settings, before))
    key = f"{step.output}/{PAGE}"
    step.store.write(key, render(step.content, pairs, len(contents.images), is_blocked=settings.action == "block"))
    if not pairs:
        return contents, {}
    many = f"{'at least ' * (len(pairs) >= ENOUGH)}{counted(len(pairs))}"
    listed = "; ".join(map(str, pairs[:NAMED])) + ("; …" if len(pairs) > NAMED else "")
    found = f"{many} of pictures that look the same lie in different splits: {listed}. See them: {step.store.url}/{key}"
    if settings.action == "report":
        step.log.warning("%s", found)
        return contents, {"pairs_alike_in_different_splits": len(pairs)}
    raise BadInputError(
        f"{found}. Give pictures of one scene the same group, or leave one of each pair out (build_dataset: leave_out). "
        "If it should be so: near_duplicates.action: report (--near-duplicates report), or a lower near_duplicates.max_distance"
    )


def exact_pairs(contents: Contents) -> Iterator[Pair]:
    position = {md5: at for at, md5 in enumerate(contents.images["md5"])}
    for copy in contents.copies:
        if (at := position.get(copy.md5)) is not None:
            yield Pair(side(contents.images, at), Side(**vars(copy)), 0, 0.0)


def side(images: pd.DataFrame, at: int) -> Side:
    row = images.iloc[at]
    return Side(row["md5"], row["relpath"], row["group"], row["split"])


def with_hashes(step: StepRun[Any], contents: Contents, before: Sequence[DatasetVersion]) -> Contents:
    """Only images that no version before has a hash of are read: those that are new."""
    images, known = contents.images, dict[str, Looks]()
    for version in before if images["phash"].isna().any() else ():
        table = from_parquet(step.content.get(version.images_table))
        if set(LOOKED_AT) <= set(table.column_names):  # else it was made before there were any
            known |= dict(zip(table["md5"].to_pylist(), map(Looks, *(table[one].to_pylist() for one in LOOKED_AT)), strict=True))
    known = {md5: one for md5, one in known.items() if one.phash is not None}
    lacks = images["phash"].isna()
    lacking = images.loc[lacks & ~images["md5"].isin(known), "md5"].tolist()
    made = steadily(lambda md5: looks(step.content.get(md5)), lacking, len(lacking), step.log, "pictures looked at")
    known |= dict(zip(lacking, made, strict=True))
    for at, name in enumerate(LOOKED_AT):
        values = {md5: one[at] for md5, one in known.items()}
        images = images.assign(**{name: images[name].astype(object).where(~lacks, images["md5"].map(values)).astype(object)})
    return replace(contents, images=images)


def found_apart(content: ContentStore, images: pd.DataFrame, settings: NearDuplicates, before: Sequence[DatasetVersion]) -> Ints:
    """Which images stand, in the same split, in one version that was published under the same rules: none is like another."""
    best = np.zeros(len(images), bool)
    for version in before:
        if settings.action == "block" and version.config.get("near_duplicates") == settings.model_dump(mode="json"):
            table = from_parquet(content.get(version.images_table), ["md5", "split"])
            splits = dict(zip(table["md5"].to_pylist(), table["split"].to_pylist(), strict=True))
            held = (images["md5"].map(splits) == images["split"]).to_numpy(bool)
            best = held if held.sum() > best.sum() else best
    return best


def near_pairs(content: ContentStore, images: pd.DataFrame, settings: NearDuplicates, apart: Ints) -> list[Pair]:
    """Pairs across splits that hash and thumbnail agree about, most alike first; at most ENOUGH. Two of `apart` are none."""
    found = list(islice(alike(content, images, settings, apart), ENOUGH))
    pairs = [Pair(side(images, one), side(images, other), bits, value) for one, other, bits, value in found]
    return sorted(pairs, key=lambda pair: (pair.difference, pair.one.relpath, pair.other.relpath))


def alike(
    content: ContentStore, images: pd.DataFrame, settings: NearDuplicates, apart: Ints
) -> Iterator[tuple[int, int, int, float]]:
    """Positions, bits apart and difference of the pairs."""
    seen: dict[int, Levelled | None] = {}
    md5s: list[str] = images["md5"].tolist()

    def look(at: int) -> Levelled | None:
        small = thumbnail(content.get(md5s[at]))
        return None if small is None else levelled(small)

    for ones, others, bits in pieces(candidates(images, settings.max_distance, apart), THUMBNAILS // 2):
        if len(seen) > THUMBNAILS:
            seen.clear()
        wanted = [at for at in np.unique([*ones, *others]).tolist() if at not in seen]
        seen |= dict(zip(wanted, in_threads(look, wanted), strict=True))
        found = differences([seen[at] for at in ones.tolist()], [seen[at] for at in others.tolist()])
        for at in np.flatnonzero(found <= settings.max_difference):
            yield int(ones[at]), int(others[at]), int(bits[at]), float(found[at])


def candidates(images: pd.DataFrame, max_distance: int, apart: Ints) -> Iterator[Block]:
    """Blocks of positions of images in different splits, and how many bits their hashes are apart."""
    hashes = as_numbers(images["phash"].tolist())
    of_split = [np.flatnonzero((images["split"] == split).to_numpy(bool) & (hashes != int(FLAT, 16))) for split in SPLITS]
    for first, second in combinations(of_split, 2):
        # new ones of the first with all of the second; then its old ones with new ones of the second
        for ones, others in ((first[~apart[first]], second), (first[apart[first]], second[~apart[second]])):
            for one, other, bits in close_pairs(hashes[ones], hashes[others], max_distance):
                yield ones[one], others[other], bits


def pieces(blocks: Iterable[Block], size: int) -> Iterator[Block]:
    for ones, others, bits in blocks:
        for start in range(0, len(ones), size):
            end = start + size
            yield ones[start:end], others[start:end], bits[start:end]
