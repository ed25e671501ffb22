"""The batch for people: what came, what could not be read, who drew how much, and how far they agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa

from include import pages
from include.artifacts import Agreed, Agreement, LabelBatch
from include.artifacts.tables import to_frame

MOST_ROWS = 500  # the card has them all
NOBODY = "(not said)"
AGREED = ["boxes", "matched pairs", "found", "IoU", "kappa", "alpha"]


def render(batch: LabelBatch, images: pa.Table, annotations: pa.Table) -> bytes:
    """The page; the tables are the batch's."""
    parts = [
        pages.paragraph(_came(batch, images), "verdict"),
        *_listed(
            "Refused: nothing of it could be read", ["delivery", "why"], [[one.name, one.refused] for one in batch.deliveries if one.refused]
        ),
        *_listed(
            "Not all of it could be read", ["delivery", "what not"],
            [[one.name, problem] for one in batch.deliveries for problem in one.problems],
        ),
        *(_agreement(batch.agreement) if batch.agreement else ()),
        *_listed("Who drew how much", ["annotator", "images", "annotations", "reviewed", "do not stand"], _drawers(annotations)),
        *_listed("Classes as labelled", ["class", "annotations"], _counted(annotations["class_name"], "(no such class)")),
        *_listed("Shapes", ["shape", "annotations"], _counted(annotations["shape"], "box")),
        *_listed(
            "Deliveries", ["delivery", "state", "images", "annotations"],
            [[one.name, "deleted" if one.is_gone else one.state, str(one.images), str(one.annotations)] for one in batch.deliveries],
        ),
    ]  # fmt: skip
    return pages.page(f"Labels of {batch.source}, batch {batch.batch_id}", *parts)


def _came(batch: LabelBatch, images: pa.Table) -> str:
    refused, gone = (sum(map(bool, them)) for them in zip(*((one.refused, one.is_gone) for one in batch.deliveries), strict=True))
    missing = images["md5"].null_count
    notes = [
        f"{refused} refused" if refused else "",
        f"{gone} deleted at the source" if gone else "",
        f"{missing} images missing" if missing else "",
        f"{sum(map(len, batch.supersedes.values()))} supersede what earlier batches have" if batch.supersedes else "",
    ]
    said = "; ".join(note for note in notes if note)
    return f"{_so_many(len(batch.deliveries), 'delivery', 'deliveries')} with {_so_many(batch.images, 'image')} and " + (
        f"{_so_many(batch.annotations, 'annotation')}{': ' + said if said else ''}."
    )


def _so_many(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _agreement(agreement: Agreement) -> list[str]:
    aside = sum(agreement.set_aside.values())
    return [
        pages.heading("Where several people labelled the same picture"),
        pages.paragraph(
            f"{_so_many(agreement.images, 'image')} with {_so_many(agreement.overall.boxes, 'box', 'boxes')} on "
            f"{_so_many(agreement.objects, 'object')}. By the rule {agreement.rule} "
            + (f"{aside} of their annotations do not stand." if aside else "all of them stand.")
        ),
        *_listed(None, ["why it does not stand", "annotations"], [[why, str(count)] for why, count in agreement.set_aside.items()]),
        *_listed(None, ["", *AGREED], [["all", *_numbers(agreement.overall)]]),
        *_listed(None, ["class", *AGREED], _of_each(agreement.by_class)),
        *_listed(None, ["annotator", *AGREED], _of_each(agreement.by_person)),
        pages.paragraph(
            "found: share of the boxes that the other person drew too. IoU: overlap of two people's boxes on one object. kappa (Cohen) "
            "and alpha (Krippendorff): do they give it the same class? 1 always, 0 as by chance; – where there is but one class, or "
            "nothing to compare. Of a class: against all others. Of an annotator: beside everybody else.",
            "soft",
        ),
    ]


def _of_each(agreed: Mapping[str, Agreed]) -> list[list[str]]:
    return [[name, *_numbers(one)] for name, one in agreed.items()]


def _numbers(agreed: Agreed) -> list[str]:
    found = "–" if agreed.found is None else f"{agreed.found:.0%}"
    others = ("–" if one is None else f"{one:.2f}" for one in (agreed.mean_iou, agreed.kappa, agreed.alpha))
    return [str(agreed.boxes), str(agreed.matched), found, *others]


def _drawers(annotations: pa.Table) -> list[list[str]]:
    """The busiest first."""
    frame = to_frame(annotations.select(["annotator", "image_key", "reviewer", "conflict"]))
    people = frame.groupby(frame["annotator"].fillna(NOBODY))
    table = people.agg(images=("image_key", "nunique"), drawn=("annotator", "size"), reviewed=("reviewer", "count"), aside=("conflict", "count"))
    table = table.sort_values("drawn", ascending=False, kind="stable")
    return [[str(name), *map(str, row)] for name, row in zip(table.index, table.to_numpy().tolist(), strict=True)]


def _counted(column: pa.ChunkedArray, nothing: str) -> list[list[str]]:
    counts = Counter(nothing if one is None else str(one) for one in column.to_pylist())
    return [[name, str(count)] for name, count in counts.most_common()]


def _listed(title: str | None, head: Sequence[str], rows: Sequence[Sequence[str | None]]) -> list[str]:
    """Nothing where there are no rows."""
    if not rows:
        return []
    more = len(rows) - MOST_ROWS
    shown = [[cell or "" for cell in row] for row in rows[:MOST_ROWS]]
    return [
        *([pages.heading(title)] if title else []),
        pages.table(head, shown),
        *([pages.paragraph(f"… and {more} more: see the card", "soft")] if more > 0 else []),
    ]
