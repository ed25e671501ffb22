"""The first page: at a glance what came in, what teaches and what does not, by which rule, whose it is, how it looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from include import pages
from include.drawing import grid
from include.findings import DONE as WORDS
from include.findings import UNKNOWN
from tasks.validate_annotations.data_docs.offenders import COLOURS
from tasks.validate_annotations.data_docs.told import Ruled, Told

PEOPLE = 40  # rows of a table of people or jobs
DONE = ("set aside", "repaired", "warned")


def index(told: Told, figures: Mapping[str, Sequence[str]]) -> bytes:
    """`figures`: HTML of pictures, by rule."""
    return pages.page(
        f"Labels of {told.batch.source}, batch {told.batch.batch_id}",
        *verdict(told),
        became(told),
        *refused(told),
        *whole(told),
        *rules(told),
        *gallery(told, figures),
        *people(told, "annotator", "By annotator"),
        *people(told, "job", "By labelling job"),
        *behind(told),
    )  # fmt: skip


def verdict(told: Told) -> list[str]:
    """Does it teach, how much of it, and who decided."""
    counts = (
        f"{told.annotations_kept:,} of {told.batch.annotations:,} boxes on {told.images_kept:,} of {told.batch.images:,} images"
    )
    if not told.stopped:
        return [pages.paragraph(f"{counts} teach.", "verdict")]
    reasons = f"<ul>{''.join(f'<li>{escape(reason)}</li>' for reason in told.stopped)}</ul>"
    if told.let_through:
        return [pages.paragraph(f"Stopped, and let through by {told.let_through}. {counts} teach.", "verdict"), reasons]
    first = pages.paragraph(f"Stopped: nothing of this batch teaches. {counts} would.", "verdict stopped")
    ways = "Mend the labels and deliver them again; or change the rule and check the batch again, or let it through with a reason"
    return [first, reasons, pages.paragraph(f"{ways}: DAG labels_again__{told.batch.source}.")]


def became(told: Told) -> str:
    """Images and boxes: how many came in, and what became of them."""
    kept = {"image": told.images_kept, "annotation": told.annotations_kept}
    came = {"image": told.batch.images, "annotation": told.batch.annotations}
    rows = [
        [name, f"{came[subject]:,}", f"{kept[subject]:,}", *(f"{told.total(done, subject):,}" for done in DONE)]
        for subject, name in (("image", "images"), ("annotation", "boxes and other labels"))
    ]
    return pages.table(["", "came in", "would teach" if told.stopped and not told.let_through else "teach", *DONE], rows)


def refused(told: Told) -> list[str]:
    """Deliveries that nobody could read."""
    rows = [(one.item, one.refused) for one in told.batch.deliveries if one.refused]
    return [pages.heading("Deliveries refused whole"), pages.table(["delivery", "why"], rows, "words")] if rows else []


def rules(told: Told) -> list[str]:
    """Those that were broken; those that all rows keep, folded."""
    broken = [one for one in _ordered(told) if one.name in told.first]
    kept = [one for one in told.rules if one.name not in told.first]
    head, parts = ["rule", "expects", "asked of"], [pages.heading("Rules")]
    if broken:
        parts.append(pages.table([*head, *DONE, "owner", "suite"], [_rule(told, one) for one in broken], "words"))
    if kept:
        summary = f"{len(kept)} rules that everything keeps" if broken else f"Everything keeps all {len(kept)} rules"
        rows = [[one.name, one.expected, f"{one.rows:,}", one.suite] for one in kept]
        parts.append(f"<details><summary>{summary}</summary>{pages.table([*head, 'suite'], rows, 'words')}</details>")
    return parts


def whole(told: Told) -> list[str]:
    """What is said of all of it, or of one class, person or job in it."""
    found = [row for rows in told.first.values() for row in rows if row["subject"] == "batch"]
    cells = [
        [row["rule"], row["key"], row["got"] or "", row["expected"] or "", WORDS.get(row["action"], row["action"])]
        for row in found[:PEOPLE]
    ]
    more = [pages.paragraph(f"and {len(found) - PEOPLE:,} more", "soft")] if len(found) > PEOPLE else []
    head = ["rule", "about", "got", "expected", "done"]
    return [pages.heading("The batch as a whole"), pages.table(head, cells, "words"), *more] if found else []


def _ordered(told: Told) -> list[Ruled]:
    """Those with the most findings first; what is about the batch has its own table."""
    about_rows = [one for one in told.rules if one.name not in told.first or told.first[one.name][0]["subject"] != "batch"]
    return sorted(about_rows, key=lambda one: -told.sums.of["rule"].get(one.name, Counter()).total())


def _rule(told: Told, one: Ruled) -> list[str]:
    name = pages.link(f"#{one.slug}", one.name)
    return [
        name,
        one.expected,
        f"{one.rows:,}" if one.rows else "",
        *(_count(told, one.name, done) for done in DONE),
        one.owner,
        one.suite,
    ]


def _count(told: Told, rule: str, done: str) -> str:
    """Findings; of images, with how many boxes went with them."""
    images, others = told.count(rule, done, "image"), told.count(rule, done) - told.count(rule, done, "image")
    if images and others:
        return f"{images:,} with {others:,} label{'' if others == 1 else 's'}"
    return f"{images or others:,}" if images or others else "–"


def gallery(told: Told, figures: Mapping[str, Sequence[str]]) -> list[str]:
    """Per broken rule its worst pictures, and the way to all that it found."""
    broken = [one for one in _ordered(told) if one.name in told.first]
    if not broken:
        return []
    parts = [
        pages.heading("The worst of each rule"),
        pages.paragraph("The images with the most findings. Dashed: before it was repaired.", "soft"),
        f"<div class=dark>{pages.legend(COLOURS)}</div>",
    ]
    for one in broken:
        counts = ", ".join(f"{_count(told, one.name, how)} {how}" for how in DONE if told.count(one.name, how))
        link = pages.link(f"rules/{one.slug}.html", "all of them" if len(told.first[one.name]) > 1 else "in full")
        parts += [
            f"<h3 id='{one.slug}'>{escape(one.name)}</h3>",
            f"<p>Expected {escape(one.expected)}. {counts}: {link}. Owner: {escape(one.owner)}.</p>",
            grid(figures.get(one.name, ())),
        ]
    return parts


def people(told: Told, column: str, title: str) -> list[str]:
    """Whose labels they are: a row each, those with the most findings first."""
    found = [(name, counts) for name, counts in told.sums.most(column) if any(subject != "batch" for subject, _ in counts)]
    if {name for name, _ in found} <= {UNKNOWN}:
        return []
    rows = []
    for name, counts in found[:PEOPLE]:
        drawn = told.drawn[column][None if name == UNKNOWN else name]
        by_done = [
            sum(count for (subject, how), count in counts.items() if how == done and subject == "annotation") for done in DONE
        ]
        share = f"{by_done[0] / drawn:.1%}" if drawn else "–"
        rows.append([name, f"{drawn:,}", *(f"{count:,}" for count in by_done), share])
    more = [pages.paragraph(f"and {len(found) - PEOPLE:,} more", "soft")] if len(found) > PEOPLE else []
    return [pages.heading(title), pages.table([column, "labels", *DONE, "share set aside"], rows), *more]


def behind(told: Told) -> list[str]:
    """Where all of it is to be had, and what Great Expectations wrote."""
    source, batch_id = told.batch.source, told.batch.batch_id
    command = (
        f"<p>Every finding as a table: <code>visionloop labels rejections {source} --batch {batch_id} --action all</code></p>"
    )
    links = [pages.link(target, question) for question, target in sorted(told.results.items())]
    return [
        pages.heading("Behind it"),
        pages.paragraph(f"Suites: {', '.join(told.suites) or 'none'}."),
        command,
        *([f"<p>Great Expectations: {', '.join(links)}</p>"] if links else []),
    ]
