"""How a rule of the catalogue is checked: over whole columns at once, never row by row."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.checks.catalogue import BY_NAME

Row = Mapping[Hashable, Any]
Bools = NDArray[np.bool_]
Broken = Callable[..., Bools]
Repair = Callable[..., pd.DataFrame]


@dataclass(frozen=True)
class Check:
    """`broken(rows, parameters)`: True where a row breaks the rule; what cannot be judged does not break it.

    `columns`: of the frame, that it looks at. `got`: in words, of one broken row. `repair(rows, parameters)`: the broken rows'
    columns as they become; where the rule is broken still, it could not be repaired. No rows: they are dropped.
    """

    name: str
    columns: tuple[str, ...]
    broken: Broken
    got: Callable[[Row], str]
    repair: Repair | None = None


CHECKS: dict[str, Check] = {}


def check(name: str, *columns: str, got: Callable[[Row], str], repair: Repair | None = None) -> Callable[[Broken], Broken]:
    """Makes a function the check of a rule."""
    assert name in BY_NAME, name

    def register(broken: Broken) -> Broken:
        CHECKS[name] = Check(name, columns, broken, got, repair)
        return broken

    return register


def is_in(column: pd.Series, values: tuple[Any, ...]) -> Bools:
    """Of a categorical column: where it has one of the values; null has none."""
    wanted = np.isin(np.asarray(column.cat.categories.astype(object)), list(values))
    return np.append(wanted, False)[column.cat.codes.to_numpy()]
