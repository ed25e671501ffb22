"""A page per rule that was broken: its findings row by row, each with what it got and, of a repair, before and after."""

from __future__ import annotations

import json
from typing import Any

from include import pages
from include.checks.annotation_checks import SIDES
from include.findings import DONE
from tasks.validate_annotations.data_docs.told import MOST_ROWS, Ruled, Told

HEAD = ("image", "label", "class", "got", "done", "before → after", "annotator", "job")


def rule_pages(told: Told) -> dict[str, bytes]:
    """By path."""
    broken = [one for one in told.rules if one.name in told.first]
    return {f"rules/{one.slug}.html": rule_page(told, one, told.first[one.name]) for one in broken}


def rule_page(told: Told, rule: Ruled, rows: list[dict[str, Any]]) -> bytes:
    """Its first MOST_ROWS findings."""
    total = told.sums.of["rule"][rule.name].total()
    shown = [list(map(str, _cells(row, told.batch.source))) for row in rows]
    more = [pages.paragraph(f"… and {total - MOST_ROWS:,} more", "soft")] if total > MOST_ROWS else []
    used = [place for place, name in enumerate(HEAD) if name in ("image", "got", "done") or any(row[place] for row in shown)]
    table = pages.table([HEAD[place] for place in used], [[row[place] for place in used] for row in shown], "words")
    return pages.page(
        f"{rule.name}: {total:,} finding{'' if total == 1 else 's'}",
        pages.paragraph(f"Expected {rule.expected}. Owner: {rule.owner}. Suite: {rule.suite or 'none'}."),
        f"<p>{pages.link(f'../index.html#{rule.slug}', f'batch {told.batch.batch_id} of {told.batch.source}')}</p>",
        table,
        *more,
    )


def _cells(row: dict[str, Any], source: str) -> list[str]:
    image = (row["image_key"] or "").removeprefix(f"{source}/") or (row["key"] if row["subject"] == "batch" else "none")
    label = row["annotation_id"] or row["key"].rpartition("#")[2] if row["subject"] == "annotation" else ""
    done = DONE.get(row["action"], row["action"])
    got = row["got"] or ""
    return [image, label, row["class_name"] or "", got, done, change(row), row["annotator"] or "", row["job"] or ""]


def change(row: dict[str, Any]) -> str:
    """What a repair changed, column by column; empty for what is no repair."""
    if row["before"] is None:
        return ""
    before = json.loads(row["before"])
    if row["after"] is None:
        return f"{_said(before)} → dropped"
    return f"{_said(before)} → {_said(json.loads(row['after']))}"


def _said(columns: dict[str, Any]) -> str:
    names = {side: side.removesuffix("_px") for side in SIDES}
    return ", ".join(f"{names.get(name, name)} {_short(value)}" for name, value in columns.items())


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
