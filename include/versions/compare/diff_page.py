"""What changed between two versions, for people: sums, and pictures with old and new boxes drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from include import pages
from include.drawing import Outline, drawn, figure, grid, unreadable
from include.versions.compare.diff import BOX_CHANGES, ON_WHOLE_IMAGES, Diff
from include.versions.compare.diff_tables import BOX

PICTURES = 24
COLOURS = {"added": "#2dd4ff", "removed": "#ff2d95", "moved": "#ffd500", "relabelled": "#b388ff", "attributes changed": "#00d084"}
SUMS = {"class_name": "By class", "job": "By labelling job", "annotator": "By annotator", "reviewer": "By reviewer"}
ROWS = 40  # of a table of sums
IMAGES = 40  # rows of the table of changed images


def render(diff: Diff, before: str, after: str, read: Callable[[str], bytes], shift: Sequence[str] = ()) -> bytes:
    """The page; `before` and `after` are labels (name:version), `read` gives an image's bytes by md5, `shift` is HTML."""
    shown = most_changed(diff, PICTURES)
    return pages.page(
        f"{before} → {after}",
        pages.paragraph(in_a_sentence(diff), "verdict"),
        *sums(diff),
        *([pages.heading("In pictures"), pages.paragraph(f"The {len(shown)} with the most changed boxes.", "soft"), legend(),
           grid(picture(path, rows, read) for path, rows in shown)] if shown else []),
        *image_table(diff),
        *([pages.heading("Shift"), *shift] if shift else []),
    )  # fmt: skip


def in_a_sentence(diff: Diff) -> str:
    images = ", ".join(f"{count:,} {change}" for change, count in diff.image_counts().items() if count) or "none changed"
    counts = diff.box_counts()
    boxes = ", ".join(f"{counts[change]:,} {change}" for change in BOX_CHANGES if counts[change]) or "none changed"
    whole = "".join(f" {counts[where]:,} boxes {where}." for where in ON_WHOLE_IMAGES if counts[where])
    return f"Images: {images}. Boxes of images in both: {boxes}; {diff.unchanged_boxes:,} unchanged.{whole}"


def sums(diff: Diff, level: int = 2) -> list[str]:
    """A table of box changes per class, job, annotator and reviewer, those with the most changes first."""
    parts: list[str] = []
    head = [change for change, count in diff.box_counts().items() if count]
    for column, title in SUMS.items() if head else ():
        found = sorted(diff.by(column).items(), key=lambda item: (-sum(item[1].values()), item[0]))
        if [name for name, _ in found] == ["unknown"]:
            continue
        rows = [[name, *(f"{one[change]:,}" for change in head)] for name, one in found[:ROWS]]
        parts += [pages.heading(title, level), pages.table(["", *head], rows)]
        if len(found) > ROWS:
            parts.append(pages.paragraph(f"and {len(found) - ROWS} more", "soft"))
    return parts


def legend() -> str:
    keys = {
        f"{change} (before: dashed)" if change in ("moved", "relabelled") else change: COLOURS[change] for change in BOX_CHANGES
    }
    return f"<div class=dark>{pages.legend(keys)}</div>"


def most_changed(diff: Diff, count: int) -> list[tuple[str, pd.DataFrame]]:
    """Path and changes of the images with the most changed boxes."""
    sizes = diff.boxes["relpath"].value_counts()
    order = sorted(sizes.index, key=lambda path: (-sizes[path], path))[:count]
    groups = dict(list(diff.boxes[diff.boxes["relpath"].isin(order)].groupby("relpath")))
    return [(path, groups[path]) for path in order]


def picture(path: str, rows: pd.DataFrame, read: Callable[[str], bytes]) -> str:
    """The later bytes of an image with what changed on it."""
    data = read(rows["md5_after"].iloc[0])
    counted = rows["change"].value_counts()
    caption = ", ".join(f"{counted[change]} {change}" for change in BOX_CHANGES if change in counted)
    source = "" if unreadable(data) else drawn(data, outlines(rows.to_dict("records")), longer_side_px=360, quality=78)
    return figure(source, path, caption, path.rpartition("/")[2])


def outlines(changes: list[Any]) -> list[Outline]:
    """Old boxes dashed, new ones solid and on top."""
    old = [Outline(corners(one, "before"), COLOURS[one["change"]], is_dashed=True) for one in changes if one["change"] != "added"]
    new = [Outline(corners(one, "after"), COLOURS[one["change"]]) for one in changes if one["change"] != "removed"]
    return [*old, *new]


def corners(change: Mapping[str, Any], side: str) -> list[float]:
    return [float(change[f"{name}_{side}"]) for name in BOX]


def image_table(diff: Diff) -> list[str]:
    """The first changed images by name."""
    if diff.images.empty:
        return []
    rows = [[one["change"], *(str(one[f"{what}_{side}"]) if isinstance(one[f"{what}_{side}"], str) else ""
             for what in ("relpath", "split") for side in ("before", "after"))]
            for one in diff.images.head(IMAGES).to_dict("records")]  # fmt: skip
    more = [pages.paragraph(f"and {len(diff.images) - IMAGES:,} more", "soft")] if len(diff.images) > IMAGES else []
    return [
        pages.heading("Images"),
        pages.table(["", "path before", "path after", "split before", "split after"], rows, "words"),
        *more,
    ]
