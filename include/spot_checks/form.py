"""The form in the page of a spot check: written once by the step, filled in with what was said whenever it is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

from include import pages
from include.errors import BadInputError
from include.spot_checks.results import Result
from include.spot_checks.sheet import VERDICTS, Row, Said

PLACE = "<div id=standing></div>"  # where what is known so far is put
FIELD = re.compile(r"item_([0-9]{1,6})")


def field(item: int, subject: str) -> str:
    """Radio buttons: one per verdict."""
    return "".join(
        f"<label style='display:block'><input type=radio name=item_{item} value='{word}'> {word}</label>"
        for word in VERDICTS[subject]
    )


def filled_in(page: str, said: Mapping[int, Said], standing: Sequence[str]) -> str:
    """The step's page with the verdicts that stand chosen; `standing` is HTML about them."""
    for item, one in said.items():
        empty = f"name=item_{item} value='{one.verdict}'"
        page = page.replace(f"{empty}>", f"{empty} checked>")
    return page.replace(PLACE, "".join(standing), 1)


def read_form(fields: Mapping[str, str], rows: Sequence[Row]) -> dict[int, Said]:
    """What was chosen, by item. Raises BadInputError for what our page would not send."""
    known, said = {row.item: row for row in rows}, {}
    for name, verdict in fields.items():
        found = FIELD.fullmatch(name)
        row = known.get(int(found[1])) if found else None
        if row is None or verdict not in VERDICTS[row.subject]:
            raise BadInputError(f"got {name[:40]}={verdict[:40]}, expected a verdict on an item of this batch's sample")
        said[row.item] = Said(verdict)
    return said


def standing_parts(result: Result) -> list[str]:
    """What the verdicts so far say of all labels: sentences and a table of strata."""
    rows = [
        [one.name, one.subject, f"{one.population:,}", f"{one.sampled:,}", f"{one.reviewed:,}", f"{one.wrong:,}",
         "" if one.share is None else str(one.share)]
        for one in result.strata
    ]  # fmt: skip
    return [
        *(pages.paragraph(sentence, "verdict") for sentence in result.sentences()),
        "<details><summary>By stratum</summary>",
        pages.table(["stratum", "of", "labels", "sampled", "reviewed", "wrong", "share wrong (95% interval)"], rows),
        "</details>",
        *([pages.paragraph(f"Looked at by {escape(', '.join(result.people))}.", "soft")] if result.people else []),
    ]
