"""From what was rejected to what an annotator is told, item by item."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from include.artifacts.tables import parts_of
from include.findings import AT_ONCE, delivery_of
from include.labelling.items import Objection

# of the file or the delivery, not of the drawing: nobody can mend them in the labelling tool
NOT_THE_ANNOTATORS = frozenset(
    {"image_present", "image_readable", "image_size_as_stated", "image_unique", "unique_annotation_id"}
)


@dataclass
class Objections:
    """`of`: by item. `images`: the key of the picture of each objection, in the same order. `left_out`: counts by rule."""

    of: dict[str, list[Objection]] = field(default_factory=lambda: defaultdict(list))
    images: dict[str, list[str | None]] = field(default_factory=lambda: defaultdict(list))
    left_out: Counter[str] = field(default_factory=Counter)


def wanted(findings: bytes, actions: Collection[str]) -> Iterator[dict[str, Any]]:
    """Rows of a table FINDINGS (Parquet) by what was done; of whole batches none, which nobody drew."""
    for some in parts_of(findings, rows=AT_ONCE):
        for row in some.to_pylist():
            if row["subject"] != "batch" and row["action"].split()[0] in actions:
                yield row


def objections(
    rejected: Iterable[Mapping[str, Any]],
    items: Mapping[str, str],
    source: str,
    rules: Collection[str] | None,
    report: str | None,
) -> Objections:
    """`rejected`: rows of FINDINGS. `items`: item by the name of its delivery. `report`: where the page with the pictures is."""
    found, rows = Objections(), list(rejected)
    # an image that is set aside takes its annotations with it: that is said once
    told = {(row["image_key"], row["rule"]) for row in rows if row["subject"] == "image"}
    for row in rows:
        rule, delivery = row["rule"], delivery_of(row["image_key"], row["key"], source, items)
        is_wanted = rule in rules if rules is not None else rule not in NOT_THE_ANNOTATORS
        is_repeated = row["subject"] == "annotation" and (row["image_key"], rule) in told
        if delivery is None or not is_wanted or is_repeated:
            found.left_out[rule] += 1
            continue
        item, picture = items[delivery], _picture(row, source, delivery)
        link = f"{report}#{item}-{len(found.of[item])}" if report else None
        found.of[item].append(Objection(picture, row["annotation_id"], rule, _got(row), row["expected"] or "", link))
        found.images[item].append(row["image_key"])
    return found


def _got(row: Mapping[str, Any]) -> str:
    """With what was done, where the label teaches all the same."""
    also = {"repair": " (repaired here)", "warn": " (taken as it is)"}
    return f"{row['got'] or ''}{also.get(row['action'], '')}".strip()


def _picture(row: Mapping[str, Any], source: str, delivery: str) -> str:
    return str(row["image_key"] or "").removeprefix(f"{source}/{delivery}/")
