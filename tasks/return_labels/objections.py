"""From what was rejected to what an annotator is told, item by item."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

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


def objections(
    rejected: Iterable[Mapping[str, Any]],
    items: Mapping[str, str],
    source: str,
    rules: Collection[str] | None,
    report: str | None,
) -> Objections:
    """`rejected`: rows of FINDINGS. `items`: item by the name of its delivery. `report`: where the page with the pictures is."""
    found, told = Objections(), set[tuple[str, str]]()
    for row in rejected:
        rule, delivery = row["rule"], _delivery(row, source, items)
        is_wanted = rule in rules if rules is not None else rule not in NOT_THE_ANNOTATORS
        # an image that is set aside takes its annotations with it: that is said once
        once = (str(row["image_key"]), rule)
        is_repeated = row["subject"] == "annotation" and once in told
        if row["subject"] == "image":
            told.add(once)
        if delivery is None or not is_wanted or is_repeated:
            found.left_out[rule] += 1
            continue
        item, picture = items[delivery], _picture(row, source, delivery)
        link = f"{report}#{item}-{len(found.of[item])}" if report else None
        found.of[item].append(Objection(picture, row["annotation_id"], rule, row["got"] or "", row["expected"] or "", link))
        found.images[item].append(row["image_key"])
    return found


def _delivery(row: Mapping[str, Any], source: str, items: Mapping[str, str]) -> str | None:
    """Deliveries may have `/` in their names, so the longest that fits is meant."""
    key = str(row["image_key"] or "").removeprefix(f"{source}/") if row["image_key"] else str(row["key"]).rpartition("#")[0] + "/"
    parts = key.split("/")
    return next((name for end in range(len(parts) - 1, 0, -1) if (name := "/".join(parts[:end])) in items), None)


def _picture(row: Mapping[str, Any], source: str, delivery: str) -> str:
    return str(row["image_key"] or "").removeprefix(f"{source}/{delivery}/")
