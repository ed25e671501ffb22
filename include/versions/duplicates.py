"""No picture is tested on that was trained on: near duplicates across splits block publication.

Exact duplicates cannot be: an image is its md5. Pictures whose 64-bit hashes lie close are compared once more by their
thumbnails, because pictures with little in them can have close hashes and still differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from include import pages
from include.drawing import drawn, figure, grid, unreadable
from include.errors import BadInputError
from include.step.step_run import StepRun
from include.storage import ContentStore
from include.storage.content import in_threads
from include.versions.contents import Contents
from include.versions.fingerprints import FLAT, Thumbnail, as_numbers, difference, fingerprint, thumbnail
from include.versions.splits import SPLITS

NAMED = 20  # pairs in the error
SHOWN = 12  # pairs in the report
ENOUGH = 1000  # pairs after which no more are looked for: the dataset needs more than a look at each
ROWS = 256  # of one split against all of another: 256 × 20,000 hashes are 40 MB


class NearDuplicates(BaseModel):
    """What counts as the same picture, and what is done about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Literal["block", "warn", "off"] = "block"
    max_distance: int = Field(
        default=6, ge=0, le=16, description="bits of the 64 of the hash (fingerprints.py has what was measured)"
    )
    max_difference: float = Field(default=0.45, ge=0, le=1, description="of thumbnails, in units of their contrast; unrelated: 1")


@dataclass(frozen=True)
class Pair:
    """Two rows of a version's images, by position."""

    one: int
    other: int
    distance: int
    difference: float


def keep_apart(step: StepRun[Any], contents: Contents, settings: NearDuplicates) -> Contents:
    """The contents, each image with its hash. Raises BadInputError for pictures in two splits that look the same."""
    if settings.action == "off" or contents.images["split"].nunique() < 2:
        return contents
    contents = with_hashes(step.content, contents)
    images = contents.images
    pairs = near_pairs(step.content, images, settings)
    if not pairs:
        step.store.delete(f"{step.output}/report.html")  # of an earlier try that was blocked
        return contents
    listed = "; ".join(in_words(images, pair) for pair in pairs[:NAMED])
    many = f"at least {ENOUGH}" if len(pairs) >= ENOUGH else f"{len(pairs)}"
    found = f"{many} pairs of pictures look the same and lie in different splits: {listed}"
    if settings.action == "warn":
        step.log.warning("%s", found)
        return contents
    key = f"{step.output}/report.html"
    step.store.write(key, report(step.content, images, pairs))
    raise BadInputError(
        f"{found}{'; …' if len(pairs) > NAMED else ''}. They are shown in {step.store.url}/{key}. Deliver pictures of one scene "
        "with the same group; or leave one of each pair out (build_dataset: leave_out; of a version: visionloop dataset exclude); "
        "or, if they are not the same, lower near_duplicates.max_distance or set near_duplicates.action to warn"
    )


def with_hashes(content: ContentStore, contents: Contents) -> Contents:
    """Only images that have no hash yet are read: those that are new."""
    images = contents.images
    lacking = images.loc[images["phash"].isna(), "md5"].tolist()
    hashes = dict(zip(lacking, in_threads(lambda md5: fingerprint(content.get(md5)), lacking), strict=True))
    known = images["phash"].astype(object).where(images["phash"].notna(), images["md5"].map(hashes))
    return Contents(images.assign(phash=known), contents.annotations, contents.superseded)


def near_pairs(content: ContentStore, images: pd.DataFrame, settings: NearDuplicates) -> list[Pair]:
    """Pairs across splits that hash and thumbnail agree about, most alike first; at most ENOUGH."""
    seen: dict[str, Thumbnail | None] = {}

    def look(position: int) -> Thumbnail | None:
        md5 = images["md5"].iat[position]
        if md5 not in seen:
            seen[md5] = thumbnail(content.get(md5))
        return seen[md5]

    found = []
    for one, other, distance in close_hashes(images, settings.max_distance):
        a, b = look(one), look(other)
        if a is not None and b is not None and (apart := difference(a, b)) <= settings.max_difference:
            found.append(Pair(one, other, distance, apart))
            if len(found) == ENOUGH:
                break
    paths = images["relpath"]
    return sorted(found, key=lambda pair: (pair.difference, paths.iat[pair.one], paths.iat[pair.other]))


def close_hashes(images: pd.DataFrame, max_distance: int) -> Iterator[tuple[int, int, int]]:
    """Positions of two images in different splits, and how many bits their hashes are apart."""
    hashes = as_numbers(images["phash"].tolist())
    of_split = {split: np.flatnonzero((images["split"] == split).to_numpy() & (hashes != int(FLAT, 16))) for split in SPLITS}
    for first, second in combinations(SPLITS, 2):
        many, few = sorted((of_split[first], of_split[second]), key=len, reverse=True)
        for start in range(0, len(many), ROWS):
            yield from close_in_block(hashes, many[start : start + ROWS], few, max_distance)


def close_in_block(
    hashes: NDArray[np.uint64], ones: NDArray[np.intp], others: NDArray[np.intp], max_distance: int
) -> Iterator[tuple[int, int, int]]:
    bits = np.bitwise_count(hashes[ones, None] ^ hashes[None, others])
    for row, column in zip(*np.nonzero(bits <= max_distance), strict=True):
        one, other = sorted((int(ones[row]), int(others[column])))
        yield one, other, int(bits[row, column])


def in_words(images: pd.DataFrame, pair: Pair) -> str:
    one, other = (images.iloc[position] for position in (pair.one, pair.other))
    return f"{one['relpath']} ({one['split']}, group {one['group']}) and {other['relpath']} ({other['split']}, group {other['group']})"


def report(content: ContentStore, images: pd.DataFrame, pairs: list[Pair]) -> bytes:
    """The first pairs side by side, and all that were found as a table."""
    figures, rows = [], []
    for number, pair in enumerate(pairs):
        sides = [images.iloc[position] for position in (pair.one, pair.other)]
        rows.append([*(f"{side['relpath']} ({side['split']}, {side['group']})" for side in sides), f"{pair.distance}",
                     f"{pair.difference:.2f}"])  # fmt: skip
        for side in sides if number < SHOWN else ():
            data = content.get(side["md5"])
            if not unreadable(data):
                caption = (f"{side['split']}, group {side['group']}", side["relpath"])
                figures.append(figure(drawn(data, (), longer_side_px=320, quality=75), side["relpath"], *caption))
    more = "" if len(pairs) <= SHOWN else f" The first {SHOWN} of {len(pairs)} pairs; the table has them all."
    return pages.page(
        "Pictures that look the same, in different splits",
        pages.paragraph(
            "A detector would be tested on what it was trained on: no version was published. Give pictures of one scene the same "
            "group, or leave one of each pair out.", "verdict",
        ),
        pages.paragraph(f"Side by side, most alike first.{more}", "soft"),
        f"<div style='max-width:44rem'>{grid(figures)}</div>",
        pages.heading("All pairs"),
        pages.table(["picture", "looks like", "bits apart, of 64", "difference of thumbnails"], rows, "words"),
    )  # fmt: skip
