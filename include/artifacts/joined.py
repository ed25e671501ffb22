"""Many texts in one: UTF-8, and where each begins. As Arrow has them, without Arrow, which not everything may import."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Joined(Sequence[str]):
    """The n-th is `text` from `starts[n]` to before `starts[n + 1]`."""

    text: bytes
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> Joined: ...

    def __getitem__(self, at: int | slice) -> str | Joined:
        if isinstance(at, slice):
            start, stop, step = at.indices(len(self))
            assert step == 1, at
            return Joined(self.text, self.starts[start : max(start, stop) + 1])
        return next(iter(self[at : at + 1]))

    def __iter__(self) -> Iterator[str]:
        ends: list[Any] = self.starts.tolist()
        return (self.text[start:end].decode() for start, end in pairwise(ends))
