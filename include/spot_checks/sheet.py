"""The sample as a sheet: a row per label or picture, with two cells for a person to fill in, verdict and note."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from include.errors import BadInputError

OK = "ok"
VERDICTS: dict[str, tuple[str, ...]] = {
    "annotation": (OK, "wrong class", "badly placed", "not an object"),
    "image": (OK, "missed"),  # an object that nobody labelled
}
COLUMNS = ("source", "batch", "item", "subject", "image", "annotation", "class_name", "x_px", "y_px", "width_px", "height_px",
           "verdict", "note")  # fmt: skip
NAMED = 20  # problems in an error


@dataclass(frozen=True)
class Row:
    """A label or a picture of the sample. `item`: its number; `box`: x, y, width, height in px, of an annotation."""

    item: int
    subject: str
    key: str
    image_key: str
    md5: str
    stratum: str
    class_name: str | None
    box: tuple[float, ...] | None = None


def to_json(rows: Iterable[Row]) -> bytes:
    """As they are kept: JSON, because Airflow's web server reads them too, and has no Parquet."""
    return json.dumps([asdict(row) for row in rows], indent=1).encode()


def from_json(data: bytes) -> list[Row]:
    return [Row(**row | {"box": tuple(row["box"]) if row["box"] else None}) for row in json.loads(data)]


@dataclass(frozen=True)
class Said:
    """What a person said of an item."""

    verdict: str
    note: str = ""


def sheet(source: str, batch: str, rows: Iterable[Row], said: Mapping[int, Said]) -> bytes:
    """CSV, with what was said already. Cells that a spreadsheet would take for a formula are text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        box = [f"{side:g}" for side in row.box] if row.box else [""] * 4
        one = said.get(row.item, Said(""))
        annotation = row.key if row.subject == "annotation" else ""
        cells = [source, batch, str(row.item), row.subject, row.image_key, annotation, row.class_name or "", *box]
        writer.writerow([_as_text(cell) for cell in (*cells, one.verdict, one.note)])
    return out.getvalue().encode("utf-8-sig")  # by the mark a spreadsheet knows UTF-8


def read_sheet(data: bytes, source: str, batch: str, rows: Sequence[Row]) -> dict[int, Said]:
    """What was said, by item; rows without a verdict are left out. Raises BadInputError that lists what is wrong."""
    lines = _lines(data)
    known, said, problems = {row.item: row for row in rows}, dict[int, Said](), list[str]()
    for number, line in enumerate(lines, 2):
        cells = {name: (line.get(name) or "").strip() for name in ("source", "batch", "item", "verdict", "note")}
        if (cells["source"], cells["batch"]) != (source, batch):
            got = f"{cells['source']} {cells['batch']}"
            raise BadInputError(
                f"line {number}: got a row of {got.strip() or 'no batch'}, expected the sheet of {source} {batch}"
            )
        if problem := _problem(cells, known, said):
            problems.append(f"line {number}: {problem}")
        elif cells["verdict"]:
            said[int(cells["item"])] = Said(cells["verdict"].lower(), cells["note"])
    if problems:
        listed = "; ".join(problems[:NAMED]) + ("; …" if len(problems) > NAMED else "")
        raise BadInputError(f"{len(problems)} problems, nothing was recorded: {listed}")
    return said


def _problem(cells: Mapping[str, str], known: Mapping[int, Row], said: Mapping[int, Said]) -> str | None:
    item = int(cells["item"]) if cells["item"].isascii() and cells["item"].isdigit() else None
    row = known.get(item) if item is not None else None
    if row is None:
        return f"got item {cells['item'] or 'none'}, expected a number of the sample, 1 to {len(known)}"
    verdict, words = cells["verdict"].lower(), VERDICTS[row.subject]
    if verdict and verdict not in words:
        return f"item {row.item}, {row.subject}: got {cells['verdict']!r}, expected {', '.join(words)}, or nothing"
    if verdict and row.item in said:
        return f"item {row.item}: a second verdict, {verdict}, after {said[row.item].verdict}"
    return None


def _lines(data: bytes) -> list[dict[str, str]]:
    """Rows by column; comma, semicolon or tab between cells, whichever the first line has. Raises BadInputError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInputError(f"not UTF-8 text ({error.reason} at byte {error.start}); save the sheet as CSV UTF-8") from None
    first = text.partition("\n")[0]
    between = max(",;\t", key=first.count)
    try:
        found = csv.DictReader(io.StringIO(text, newline=""), delimiter=between, strict=True)
        lacking = [name for name in ("source", "batch", "item", "verdict") if name not in (found.fieldnames or ())]
        if unknown := [name or "(no name)" for name in found.fieldnames or () if name not in COLUMNS]:
            raise BadInputError(f"got columns {', '.join(unknown)}, expected only {', '.join(COLUMNS)}")
        if lacking:
            raise BadInputError(f"got no column {', '.join(lacking)}; expected the sheet as it was written, filled in")
        lines = [line for line in found if any(cell for cell in line.values() if cell)]
    except csv.Error as error:
        raise BadInputError(f"not a CSV sheet: {error}") from None
    return [{str(name): str(cell or "") for name, cell in line.items() if name} for line in lines]


def _as_text(cell: str) -> str:
    return f"'{cell}" if cell[:1] in ("=", "+", "@") else cell
