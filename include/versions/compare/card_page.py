"""A version's card as a page: what it holds, where it comes from, what changed, and a look at it.

Written once the version stands, to `datasets/<name>/<version>.html`, with what changed in pictures beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from typing import Any

import pandas as pd

from include import pages
from include.artifacts import DatasetVersion
from include.drawing import Outline, drawn, figure, grid, unreadable
from include.spot_checks.form import standing_parts
from include.spot_checks.of_batches import of_version
from include.step.step_run import StepRun
from include.storage import ContentStore, Store
from include.versions.compare import diff_page
from include.versions.compare.checks_part import checks_part
from include.versions.compare.diff import Diff, compare
from include.versions.compare.diff_tables import BOX, Tables
from include.versions.compare.distributions import box_charts, label_charts, place_charts
from include.versions.compare.shift_gate import shifts_between
from include.versions.compare.shift_page import shift_parts
from include.versions.contents import Contents
from include.versions.history import card_address
from include.versions.splits import SPLITS

PICTURES = 12
PICTURE_BYTES = 1_400_000  # of all pictures together: the page stays below 2 MB
COLOURS = ("#2dd4ff", "#ffd500", "#ff2d95", "#7dff6b", "#ff9f40", "#b388ff", "#ffffff", "#00e0a4")
SHOWN_CLASSES = 24


def page_address(version: DatasetVersion) -> str:
    """The key of its page."""
    return f"datasets/{version.name}/{version.version}.html"


def changes_address(version: DatasetVersion) -> str:
    """The key of the page of what changed since the version before."""
    return f"datasets/{version.name}/{version.version}.changes.html"


def publish_page(step: StepRun[Any], version: DatasetVersion) -> None:
    """Draw and write the pages. The version stands already: a page that cannot be drawn is logged, and nothing else."""
    try:
        key = make_page(step.content, version)
    except Exception:  # whatever it is, it must not turn a finished version into a failed run
        step.log.warning("%s stands, but its page could not be drawn", version.label, exc_info=True)
        return
    step.log.info("page: %s/%s", step.store.url, key)


def make_page(content: ContentStore, version: DatasetVersion) -> str:
    """The key of the version's page, which is written where it is missing."""
    store = content.store
    if not store.exists(page_address(version)):
        before = version_before(store, version)
        diff = compare(Tables.read(content, before), Tables.read(content, version)) if before else None
        if diff is not None and before is not None:
            store.create(changes_address(version), diff_page.render(diff, before.label, version.label, content.get))
        store.create(page_address(version), render(content, version, before, diff))
    return page_address(version)


def version_before(store: Store, version: DatasetVersion) -> DatasetVersion | None:
    """Its first parent; of what has none (adopted, imported), the dataset's version before it."""
    number = int(version.version.removeprefix("v"))
    address = version.parents[0] if version.parents else card_address(version.name, number - 1)
    return DatasetVersion.load(store, address) if version.parents or number > 1 else None


def render(content: ContentStore, version: DatasetVersion, before: DatasetVersion | None, diff: Diff | None) -> bytes:
    """The page, below 2 MB whatever the version holds."""
    contents = Contents.read(content, version)
    images, annotations = contents.images, contents.annotations
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(version.classes)}
    return pages.page(
        version.label,
        pages.paragraph(f"{len(images):,} images, {len(annotations):,} boxes, {version.size_bytes / 1e6:,.1f} MB, "
                        f"{version.new_bytes / 1e6:,.1f} MB of them new. Made by {version.operation}.", "verdict"),
        split_table(version),
        pages.heading("Pictures"), key_of(colours),
        grid(samples(contents, colours, content.get)),
        *changes(diff, before, changes_address(version).rpartition("/")[2]),
        *shift(content, before, version),
        pages.heading("Boxes"), pages.side_by_side(box_charts(images, annotations, version.classes)),
        pages.heading("Where the pictures come from"), pages.side_by_side(place_charts(images)),
        pages.heading("Whose labels"), people(annotations),
        *checks_part(content.store, version), *spot_checks(content.store, version),
        pages.heading("How it was made"), pages.table(["", ""], provenance(version), "words"),
    )  # fmt: skip


def people(annotations: pd.DataFrame) -> str:
    charts = label_charts(annotations)
    return pages.side_by_side(charts) if charts else pages.paragraph("The labels do not say.")


def spot_checks(store: Store, version: DatasetVersion) -> list[str]:
    """What people found in samples of the batches that the labels come from, as far as they had looked when this was drawn."""
    found, batches = of_version(store, version)
    if not batches:
        return []
    told = f"{batches} of {len(version.checked_labels)} batches of labels, as of when this page was made."
    return [pages.heading("Spot checks"), pages.paragraph(told), *standing_parts(found)]


def split_table(version: DatasetVersion) -> str:
    splits = sorted(version.splits.items(), key=lambda item: SPLITS.index(item[0]))
    rows = [[name, f"{one.images:,}", f"{one.annotations:,}", f"{one.groups:,}"] for name, one in splits]
    return pages.table(["split", "images", "boxes", "groups"], rows)


def key_of(colours: dict[str, str]) -> str:
    first = dict(list(colours.items())[:SHOWN_CLASSES])
    return f"<div class=dark>{pages.legend(first)}</div>"


def samples(contents: Contents, colours: dict[str, str], read: Callable[[str], bytes]) -> list[str]:
    """Pictures of every split in turn, chosen by their md5: an image that stays is shown again in the next version."""
    images = contents.images.sort_values("md5")
    turn = images.groupby("split").cumcount()
    chosen = images.assign(turn=turn).sort_values(["turn", "split"]).head(PICTURES)
    boxes = dict(list(contents.annotations[contents.annotations["md5"].isin(chosen["md5"])].groupby("md5")))
    figures, room = [], PICTURE_BYTES
    for image in chosen.to_dict("records"):
        mine = boxes.get(image["md5"], contents.annotations.head(0))
        data = read(image["md5"])
        if not unreadable(data):
            outlines = [Outline([one[edge] for edge in BOX], colours[one["class_name"]]) for one in mine.to_dict("records")]
            source = drawn(data, outlines, longer_side_px=320, quality=75)
            room -= len(source)
            if room < 0:
                break
            name = image["relpath"].rpartition("/")[2]
            figures.append(figure(source, image["relpath"], f"{image['split']}, {len(mine)} boxes", name))
    return figures


def changes(diff: Diff | None, before: DatasetVersion | None, link: str) -> list[str]:
    """Sums of what differs from the version before, and the way to the pictures."""
    if diff is None or before is None:
        return []
    head = [pages.heading(f"Since {before.label}"), pages.paragraph(diff_page.in_a_sentence(diff))]
    return [*head, *diff_page.sums(diff, level=3), f"<p><a href='{escape(link)}'>The changed boxes in pictures</a></p>"]


def shift(content: ContentStore, before: DatasetVersion | None, version: DatasetVersion) -> list[str]:
    """How far each column has moved since the version before."""
    if before is None:
        return []
    return [pages.heading(f"Shift since {before.label}"), *shift_parts(*shifts_between(content, before, version))]


def provenance(version: DatasetVersion) -> list[list[str]]:
    """Every fact of the card as a row."""
    by = version.made_by
    parameters = version.config.get("do") or {name: version.config[name] for name in ("split",) if name in version.config}
    facts = {
        "operation": version.operation,
        "parameters": json.dumps(parameters, ensure_ascii=False),
        "parents": ", ".join(
            parent.removeprefix("datasets/").removesuffix(".json").replace("/", ":") for parent in version.parents
        ),
        "started by": f"{by.started_by} ({by.dag_id} {by.run_id})",
        "when": f"{by.ended_at:%Y-%m-%d %H:%M:%S} UTC, in {by.duration_s:.1f} s",
        "cost": f"{by.cost.amount:.4f} {by.cost.currency}",
        "code": by.git_commit,
        "environment": f"{by.environment} ({by.runtime})",
        "batches of checked labels": f"{len(version.checked_labels):,}",
        "digest": f"{version.digest} (dvc: md5 {version.digest}.dir)",
        **{name.replace("_", " "): f"{count:,}" for name, count in version.counts.items()},
    }
    return [[name, str(value) if pd.notna(value) and value else "none"] for name, value in facts.items()]
