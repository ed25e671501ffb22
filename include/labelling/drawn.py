"""Shapes that stay columns: a label file may have a million, and most of them are only ever written as columns again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, overload

from include.labelling.items import Labelled, Shape

Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Drawn(Sequence[Shape]):
    """Some of them, from row `start` to before `stop`; each a Shape when it is asked for.

    `columns`: by the fields of Shape; one that is not there is None in all.
    """

    columns: Columns
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @overload
    def __getitem__(self, at: int) -> Shape: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[Shape, ...]: ...

    def __getitem__(self, at: int | slice) -> Shape | tuple[Shape, ...]:
        return tuple(self)[at]

    def __iter__(self) -> Iterator[Shape]:
        some = slice(self.start, self.stop)
        return map(Shape, *(self.columns[name][some] if name in self.columns else repeat(None) for name in Shape._fields))


def as_columns(labelled: Labelled) -> Columns | None:
    """Of all pictures, one after the other, strays last; None where they are no columns, or others."""
    parts = [*(picture.shapes for picture in labelled.pictures), labelled.strays]
    columns, at = None, 0
    for part in parts:
        if not isinstance(part, Drawn) or part.start != at or (columns is not None and part.columns is not columns):
            return None
        columns, at = part.columns, part.stop
    return columns if columns is not None and at == len(columns["kind"]) else None
