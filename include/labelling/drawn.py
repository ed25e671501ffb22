"""Shapes that stay columns: a label file may have a million, and most of them are only ever written as columns again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any, TypeAlias, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from include.artifacts.tables import AT_ONCE
from include.labelling.items import Labelled, Shape

Values: TypeAlias = Sequence[Any] | pa.Array | NDArray[np.float64]  # the last: rows of several numbers


class Columns:
    """Rows as columns, of which few are made at a time, when they are asked for.

    `made`: of the rows from one to before another, as far as there are any, by the fields of Shape; what is not there is None in
    all of them.
    """

    def __init__(self, made: Callable[[int, int], Mapping[str, Values]]) -> None:
        self._part = lru_cache(1)(lambda number: made(number * AT_ONCE, (number + 1) * AT_ONCE))

    def parts(self, start: int, stop: int) -> Iterator[dict[str, Values]]:
        """Those from `start` to before `stop`; at most AT_ONCE rows in each."""
        while start < stop:
            number, first = divmod(start, AT_ONCE)
            last = min(first + stop - start, AT_ONCE)
            yield {name: values[first:last] for name, values in self._part(number).items()}
            start += last - first


@dataclass(frozen=True, slots=True, eq=False)
class Drawn(Sequence[Shape]):
    """Some of them, from row `start` to before `stop`; each a Shape when it is asked for."""

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
        for part in self.columns.parts(self.start, self.stop):
            yield from map(Shape, *(plain(part[name]) if name in part else repeat(None) for name in Shape._fields))


def plain(values: Values) -> Sequence[Any]:
    """As Python's own objects, one for each row."""
    if isinstance(values, np.ndarray):
        return list(map(tuple, values.tolist()))
    found: Sequence[Any] = values.to_pylist() if isinstance(values, pa.Array) else values
    return found


def runs(labelled: Labelled) -> list[Sequence[Shape]]:
    """The shapes of all pictures, strays last: those that are neighbours in the same columns in one."""
    found: list[Sequence[Shape]] = []
    for some in (*(picture.shapes for picture in labelled.pictures), labelled.strays):
        last = found[-1] if found else None
        if isinstance(some, Drawn) and isinstance(last, Drawn) and some.columns is last.columns and some.start == last.stop:
            found[-1] = Drawn(some.columns, last.start, some.stop)
        else:
            found.append(some)
    return found
