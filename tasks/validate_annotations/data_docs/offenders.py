"""Pictures of the worst: per rule the images with the most findings, what was found in colour, all other boxes thin.

Bounded in number, bytes and memory, whatever the batch: tables are read some rows at a time, images one after another.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from include.checks.annotation_checks import SIDES
from include.drawing import NotDrawable, Outline, detail, figure
from include.findings import DONE

PER_RULE = 6
PICTURES = 72
BYTES = 2_000_000  # of all of them
COUNTED = 20_000  # images per rule among which the worst are found
BOXES = 300  # drawn on one picture
LINES = 4  # of text below one
COLOURS = {"found": "#ff2d95", "as repaired": "#2dd4ff", "other boxes": "#ffffff"}

Place = tuple[str, str]  # rule, image key


@dataclass
class Worst:
    """`findings`: of the chosen images, by rule and image; `boxes`: all of theirs as they came, by image and annotation key."""

    findings: dict[Place, list[dict[str, Any]]] = field(default_factory=dict)
    counts: dict[Place, int] = field(default_factory=dict)
    boxes: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(dict))
    md5s: dict[str, str | None] = field(default_factory=dict)


def worst(
    findings: Callable[[], Iterable[pa.Table]],
    annotations: Callable[[], Iterable[pa.Table]],
    images: Callable[[], Iterable[pa.Table]],
) -> Worst:
    """Each argument gives the rows of a table (FINDINGS, ANNOTATIONS, IMAGES) from the first on, some at a time."""
    found = Worst(counts=_most(findings()))
    if not found.counts:
        return found
    keys = {image for _, image in found.counts}
    found.findings = {place: [] for place in found.counts}
    for row in _rows(findings(), keys):
        kept = found.findings.get((row["rule"], row["image_key"]))
        if kept is not None and len(kept) < BOXES:
            kept.append(row)
    for row in _rows(annotations(), keys, ["annotation_key", "image_key", *SIDES]):
        boxes = found.boxes[row["image_key"]]
        box = [row[side] for side in SIDES]
        if len(boxes) < 4 * BOXES and all(side is not None and math.isfinite(side) for side in box):
            boxes[row["annotation_key"]] = box
    found.md5s = {row["image_key"]: row["md5"] for row in _rows(images(), keys, ["image_key", "md5"])}
    return found


def _most(findings: Iterable[pa.Table]) -> dict[Place, int]:
    """The images with the most findings of each rule, and how many; at most PICTURES, every rule's worst before any second."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for table in findings:
        named = table.filter(pc.is_valid(table["image_key"]))
        for row in named.group_by(["rule", "image_key"]).aggregate([([], "count_all")]).to_pylist():
            of_rule = counts[row["rule"]]
            if row["image_key"] in of_rule or len(of_rule) < COUNTED:
                of_rule[row["image_key"]] += row["count_all"]
    ranked = [
        (rank, rule, image, count)
        for rule, of_rule in counts.items()
        for rank, (image, count) in enumerate(sorted(of_rule.items(), key=lambda one: (-one[1], one[0]))[:PER_RULE])
    ]
    return {(rule, image): count for _, rule, image, count in sorted(ranked)[:PICTURES]}


def _rows(tables: Iterable[pa.Table], images: set[str], columns: list[str] | None = None) -> Iterable[dict[str, Any]]:
    keys = pa.array(sorted(images), pa.string())
    for table in tables:
        chosen = table if columns is None else table.select(columns)
        yield from chosen.filter(pc.is_in(table["image_key"], value_set=keys)).to_pylist()


def figures(found: Worst, read: Callable[[str], bytes]) -> dict[str, list[str]]:
    """HTML of the pictures, by rule. `read`: an image's bytes by md5; what it raises for a missing one is said in its place."""
    drawn: dict[str, list[str]] = defaultdict(list)
    room = BYTES
    for (rule, image), rows in found.findings.items():
        whole = [row for row in rows if row["subject"] == "image"]  # its labels went with it: that is said once
        source = _drawn(found, image, whole or rows, read)
        if len(source) < room:
            room -= len(source)
            name = image.partition("/")[2]  # without the source
            caption = [name, *_lines(whole or rows, len(whole) or found.counts[rule, image])]
            drawn[rule].append(
                figure(source, f"{name}: {rule}", *caption) if source.startswith("data:") else _unseen(source, caption)
            )
    return drawn


def _drawn(found: Worst, image: str, rows: Sequence[dict[str, Any]], read: Callable[[str], bytes]) -> str:
    """A data URI, or why there is none."""
    md5 = found.md5s.get(image)
    if md5 is None:
        return "there is no such file"
    boxes = found.boxes.get(image, {})
    marked = [outline for row in rows for outline in outlines(row, boxes.get(row["key"]))]
    named = {row["key"] for row in rows}
    others = [Outline(box, COLOURS["other boxes"]) for key, box in boxes.items() if key not in named]
    try:
        return detail(read(md5), marked, others[:BOXES])
    except NotDrawable as error:
        return str(error)


def outlines(finding: dict[str, Any], box: Sequence[float] | None) -> list[Outline]:
    """What was found; of a repair, dashed, and over it what it became."""
    if finding["subject"] != "annotation" or box is None:
        return []
    if finding["action"] != "repair":
        return [Outline(box, COLOURS["found"])]
    after = repaired(finding, box)
    return [Outline(box, COLOURS["found"], is_dashed=True), *([Outline(after, COLOURS["as repaired"])] if after else [])]


def repaired(finding: dict[str, Any], box: Sequence[float]) -> list[float] | None:
    """The box as it teaches; None for one that was dropped."""
    if finding["after"] is None:
        return None
    after = json.loads(finding["after"])
    return [float(after.get(side, value)) for side, value in zip(SIDES, box, strict=True)]


def _lines(rows: Sequence[dict[str, Any]], count: int) -> list[str]:
    """What is said of the picture: one line for each different thing got."""
    said = Counter(f"{DONE.get(row['action'], row['action'])}: {row['got'] or row['rule']}" for row in rows)
    lines = [f"{times} × {line}" if times > 1 else line for line, times in said.most_common(LINES)]
    people = sorted({row["annotator"] for row in rows if row["annotator"]})
    more = [f"and {count - sum(times for _, times in said.most_common(LINES)):,} more"] if len(said) > LINES else []
    return [*lines, *more, *([f"drawn by {', '.join(people[:3])}"] if people else [])]


def _unseen(why: str, caption: Sequence[str]) -> str:
    lines = "<br>".join(escape(line) for line in caption)
    return f"<figure><div class=unseen>No picture: {escape(why)}</div><figcaption>{lines}</figcaption></figure>"
