"""The Data Docs as pages that can be read without a network.

Great Expectations' own pages load styles and scripts from eight other hosts, and its index is empty without them. So: an index
of our own (every rule with its counts, and everything that was set aside), its pages behind it with a small style sheet instead
of the scripts.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from include.artifacts import LabelBatch
from include.checks.asking import Asked

STYLE = (Path(__file__).parent / "data_docs.css").read_text()
REMOTE = re.compile(r"<script\b.*?</script>|<link\b[^>]*>|<img\b[^>]*>", re.DOTALL)
COLUMNS = ("rule", "subject", "key", "annotation_id", "got", "expected", "action", "owner")
MOST_ROWS = 5000  # a browser still opens it; the Parquet table has them all


def offline(page: str) -> str:
    """A page of Great Expectations without scripts and references to other hosts."""
    return REMOTE.sub("", page).replace("</head>", f"<style>{STYLE}</style></head>", 1)


def pages(folder: Path, batch: LabelBatch, asked: Sequence[Asked], rejected: pa.Table) -> dict[str, bytes]:
    """All pages to keep, by path. `folder` is where Great Expectations built its own."""
    own = {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*.html"))}
    results = {name.split("/")[1]: name for name in own if name.startswith("validations/")}
    kept = {name: offline(page).encode() for name, page in own.items()}
    return kept | {"index.html": index(batch, asked, rejected, results).encode()}


def index(batch: LabelBatch, asked: Sequence[Asked], rejected: pa.Table, results: dict[str, str]) -> str:
    """The first page. `results`: path of the page of each question asked."""
    title = f"Labels of {batch.source}, batch {batch.batch_id}"
    refused = [(one.item, one.refused) for one in batch.deliveries if one.refused]
    aside = [f"{one['counts']} {one['values']}s" for one in rejected["subject"].value_counts().to_pylist()]
    rules = [(one.rule, one.expected, one.rows, one.broken or "", _Link(results[one.question], one.question)) for one in asked]
    shown = rejected.slice(0, MOST_ROWS).to_pylist()
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{batch.images} images, {batch.annotations} annotations came in; set aside: {', '.join(aside) or 'nothing'}.</p>",
        _table("Deliveries refused whole", ("delivery", "why"), refused),
        _table("Rules", ("rule", "expected", "asked of", "broken by", "details"), rules),
        _table("Set aside", COLUMNS, [tuple(row[column] for column in COLUMNS) for row in shown]),
        f"<p>… and {rejected.num_rows - MOST_ROWS} more.</p>" if rejected.num_rows > MOST_ROWS else "",
    ]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    return f"<!DOCTYPE html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>"


class _Link:
    def __init__(self, target: str, text: str) -> None:
        self.target, self.text = target, text

    def __str__(self) -> str:
        return f'<a href="{html.escape(self.target)}">{html.escape(self.text)}</a>'


def _cell(value: object) -> str:
    return str(value) if isinstance(value, _Link) else html.escape("" if value is None else str(value))


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<h2>{title}</h2><table class="table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
