"""Shapes that stay columns: a label file may have a million, and most of them are only ever written as columns again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
        return map(Shape, *(self._values(name) for name in Shape._fields))

    def _values(self, name: str) -> Iterable[Any]:
        if name not in self.columns:
            return repeat(None)
        some: Iterable[Any] = self.columns[name][self.start : self.stop]
        return some


def as_columns(labelled: Labelled) -> Columns | None:
    """Of all pictures, one after the other, strays last; None where they are no columns, or others."""
    parts = [*(picture.shapes for picture in labelled.pictures), labelled.strays]
    columns, at = None, 0
    for part in parts:
        if not isinstance(part, Drawn) or part.start != at or (columns is not None and part.columns is not columns):
            return None
        columns, at = part.columns, part.stop
    return columns if columns is not None and at == len(columns["kind"]) else None
