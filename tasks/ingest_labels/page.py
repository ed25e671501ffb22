"""The batch for people: what came, what could not be read, who drew how much, and how far they agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import pyarrow as pa

from include import pages
from include.artifacts import Agreed, Agreement, Delivery, LabelBatch
from include.artifacts.tables import rows_of

MOST_ROWS = 500  # the card has them all
NOBODY = "(not said)"
AGREED = ["boxes", "matched pairs", "found", "IoU", "kappa", "alpha"]


def render(batch: LabelBatch, images: pa.Table, annotations: pa.Table) -> bytes:
    """The page; the tables are the batch's."""
    parts = [
        pages.paragraph(_came(batch, images), "verdict"),
        *_said("Refused: nothing of it could be read", [(one.name, one.refused) for one in batch.deliveries if one.refused]),
        *_said("Not all of it could be read", [(one.name, said) for one in batch.deliveries for said in one.problems]),
        *(_agreement(batch.agreement) if batch.agreement else ()),
        *_listed("Who drew how much", ["annotator", "images", "annotations", "reviewed", "do not stand"], _drawers(annotations)),
        *_listed("Classes as labelled", ["class", "annotations"], _counted(annotations["class_name"], "(no such class)")),
        *_listed("Shapes", ["shape", "annotations"], _counted(annotations["shape"], "box")),
        *_listed(
            "Deliveries", ["delivery", "state", "images", "annotations"],
            [[one.name, _state(one), str(one.images), str(one.annotations)] for one in batch.deliveries],
        ),
    ]  # fmt: skip
    return pages.page(f"Labels of {batch.source}, batch {batch.batch_id}", *parts)


def _state(delivery: Delivery) -> str:
    return "deleted" if delivery.is_gone else delivery.state


def _came(batch: LabelBatch, images: pa.Table) -> str:
    """One sentence."""
    refused = sum(one.refused is not None for one in batch.deliveries)
    gone = sum(one.is_gone for one in batch.deliveries)
    newer = sum(map(len, batch.supersedes.values())) - gone
    notes = {"refused": refused, "deleted at the source": gone, "corrected since an earlier batch": max(newer, 0)}
    said = [f"{count} {note}" for note, count in notes.items() if count]
    if missing := images["md5"].null_count:
        said.append(f"{_so_many(missing, 'image')} missing")
    came = [_so_many(len(batch.deliveries), "delivery", "deliveries"), _so_many(batch.images, "image")]
    return f"{' with '.join(came)} and {_so_many(batch.annotations, 'annotation')}{': ' if said else ''}{', '.join(said)}."


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
        *_listed(
            None, ["why it does not stand", "annotations"], [[why, str(count)] for why, count in agreement.set_aside.items()]
        ),
        *_listed(
            "How far they agree, by class", ["class", *AGREED],
            [["all classes", *_numbers(agreement.overall)], *_of_each(agreement.by_class)],
        ),
        *_listed("How far they agree, by annotator", ["annotator", *AGREED], _of_each(agreement.by_person)),
        pages.paragraph(
            "found: share of the boxes that the other person drew too. IoU: overlap of two people's boxes on one object. "
            "kappa (Cohen) and alpha (Krippendorff): do they give it the same class? 1 always, 0 as by chance; – where there is "
            "but one class, or nothing to compare. Of a class: against all others. Of an annotator: beside everybody else.",
            "soft",
        ),
    ]  # fmt: skip


def _of_each(agreed: Mapping[str, Agreed]) -> list[list[str]]:
    return [[name, *_numbers(one)] for name, one in agreed.items()]


def _numbers(agreed: Agreed) -> list[str]:
    found = "–" if agreed.found is None else f"{agreed.found:.0%}"
    others = ("–" if one is None else f"{one:.2f}" for one in (agreed.mean_iou, agreed.kappa, agreed.alpha))
    return [str(agreed.boxes), str(agreed.matched), found, *others]


def _drawers(annotations: pa.Table) -> list[list[str]]:
    """The busiest first."""
    drawn, reviewed, aside = Counter[str](), Counter[str](), Counter[str]()
    images: dict[str, set[str]] = defaultdict(set)
    for annotator, image_key, reviewer, conflict in rows_of(annotations, "annotator", "image_key", "reviewer", "conflict"):
        name = annotator or NOBODY
        drawn[name] += 1
        reviewed[name] += reviewer is not None
        aside[name] += conflict is not None
        if image_key is not None:
            images[name].add(image_key)
    busiest = sorted(sorted(drawn), key=drawn.__getitem__, reverse=True)
    return [[name, *(str(one) for one in (len(images[name]), drawn[name], reviewed[name], aside[name]))] for name in busiest]


def _counted(column: pa.ChunkedArray, nothing: str) -> list[list[str]]:
    counts = Counter(nothing if one is None else str(one) for one in column.to_pylist())
    return [[name, str(count)] for name, count in counts.most_common()]


def _said(title: str, notes: Sequence[tuple[str, str]]) -> list[str]:
    """A paragraph each: what is said is too long for a table."""
    shown = [pages.paragraph(f"{name}: {said}") for name, said in notes[:MOST_ROWS]]
    return [pages.heading(title), *shown, *_more(len(notes))] if notes else []


def _more(count: int) -> list[str]:
    return [pages.paragraph(f"… and {count - MOST_ROWS} more: see the card", "soft")] if count > MOST_ROWS else []


def _listed(title: str | None, head: Sequence[str], rows: Sequence[Sequence[str | None]]) -> list[str]:
    """Nothing where there are no rows."""
    if not rows:
        return []
    shown = [[cell or "" for cell in row] for row in rows[:MOST_ROWS]]
    return [*([pages.heading(title)] if title else []), pages.table(head, shown), *_more(len(rows))]
