"""Pictures that look the same and lie in different splits, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from include import pages
from include.drawing import drawn, figure, unreadable
from include.storage import ContentStore

PAGE = "near_duplicates.html"  # below the step's output folder
SHOWN = 40  # pairs in pictures: about 2 MB


@dataclass(frozen=True)
class Side:
    """A picture of a pair."""

    md5: str
    relpath: str
    group: str
    split: str

    def __str__(self) -> str:
        return f"{self.relpath} ({self.where})"

    @property
    def where(self) -> str:
        return f"{self.split}, no group" if self.group == self.md5 else f"{self.split}, group {self.group}"


@dataclass(frozen=True)
class Pair:
    """`distance`: bits of the hashes; `difference` of the thumbnails, 0 to about 1 for unrelated ones."""

    one: Side
    other: Side
    distance: int
    difference: float

    def __str__(self) -> str:
        return f"{self.one} and {self.other}"

    @property
    def likeness(self) -> str:
        same = self.one.md5 == self.other.md5
        return "the same bytes" if same else f"{self.distance} of 64 bits apart, difference {self.difference:.2f}"


def render(content: ContentStore, pairs: Sequence[Pair], images: int, is_blocked: bool) -> bytes:
    """The page; also where there is no pair, so that the button on the task leads somewhere."""
    if not pairs:
        return pages.page("No picture lies in two splits", pages.paragraph(f"{images:,} images, none like one of another split."))
    outcome = "No version was published." if is_blocked else "The version was published: near_duplicates.action is report."
    rows = [[f"{number}", str(pair.one), str(pair.other), pair.likeness] for number, pair in enumerate(pairs, 1)]
    rest = [pages.heading("The others"), pages.table(["", "picture", "looks like", "how alike"], rows[SHOWN:], "words")]
    return pages.page(
        f"{counted(len(pairs))} of pictures that look the same, in different splits",
        pages.paragraph(
            f"A detector would be tested on what it was trained on. {outcome} Give pictures of one scene the same group, "
            "or leave one of each pair out.", "verdict",
        ),
        pages.paragraph("Most alike first.", "soft"),
        *(beside(content, pair) for pair in pairs[:SHOWN]),
        *(rest if len(pairs) > SHOWN else []),
    )  # fmt: skip


def counted(pairs: int) -> str:
    return f"{pairs:,} pair{'s' * (pairs != 1)}"


def beside(content: ContentStore, pair: Pair) -> str:
    """Both pictures, and what is known of them."""
    both = "".join(shown(content, side) for side in (pair.one, pair.other))
    return f"<div class=pair>{both}{pages.paragraph(pair.likeness, 'soft')}</div>"


def shown(content: ContentStore, side: Side) -> str:
    data = content.get(side.md5)
    source = "" if unreadable(data) else drawn(data, (), longer_side_px=320, quality=75)
    return figure(source, side.relpath, side.where, side.relpath)
