"""How far a column has moved from one set of labels to another: PSI, KS, chi-squared, and a verdict in a word.

    before, after = {"RBC": 900, "WBC": 100}, {"RBC": 500, "WBC": 500}
    shift_of_names("class", before, after).verdict          # "different"
    shift_of_numbers("size", sides_before, sides_after).psi

The verdict goes by the size of the effect, never by a p-value alone: of 100,000 boxes every p is 0. The p-value says
only whether so few could lie so far apart by chance ("too few"). It takes boxes as independent of each other, which boxes of
one picture are not: it is a lower bound.

Where the limits come from
    PSI 0.1 and 0.25    Siddiqi, Credit Risk Scorecards (2006): below 0.1 no significant change, above 0.25 a major one
    KS 0.125 and 0.2    the same two marks on the other scale: a normal distribution of which the mean moves by d standard
                        deviations has PSI d² and KS 2Φ(d/2) − 1, so 0.1 and 0.25 are KS 0.126 and 0.197
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

Verdict = Literal["stable", "shifted", "different", "too few", "not measured"]
Values = Any  # numbers as an array; NaN where there is none
PSI_BINS = 10  # deciles of what was before, as is usual
EMPTY = 0.5  # cases that an empty bin counts as: the share of none has no logarithm
EXACT_KS = 100  # values up to which the exact p is computed
BARS = 12  # of a small drawing


class Effect(BaseModel):
    """From this PSI, or from this KS statistic, on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    psi: float = Field(gt=0)
    ks: float = Field(gt=0, le=1)


class Limits(BaseModel):
    """From where on a column counts as shifted, and as different."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shifted: Effect = Effect(psi=0.1, ks=0.125)
    different: Effect = Effect(psi=0.25, ks=0.2)
    max_p: float = Field(default=0.01, gt=0, le=1, description="an effect that chance gives more often is 'too few', not a shift")


@dataclass(frozen=True)
class Bar:
    """A bin as it is drawn: its name, and the share of each side that lies in it (0–1)."""

    name: str
    before: float
    after: float


@dataclass(frozen=True)
class Shift:
    """One column of two sides. `ks` and `medians` (before, after): of numbers. `p`: of the KS test, for names of chi-squared."""

    column: str
    verdict: Verdict
    before: int  # values on each side
    after: int
    psi: float | None = None
    ks: float | None = None
    p: float | None = None
    bars: tuple[Bar, ...] = ()
    medians: tuple[float, float] | None = None


def psi(before: Sequence[float], after: Sequence[float]) -> float:
    """Population stability index of two histograms over the same bins: Σ (a − b) · ln(a / b) over the bins' shares.

    Takes counts. A bin that is empty on one side counts as half a case there, one that is empty on both is left out.
    """
    counts = np.array([before, after], float)
    counts = counts[:, counts.any(axis=0)]
    shares = np.where(counts == 0, EMPTY, counts) / counts.sum(axis=1, keepdims=True)
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def shift_of_names(column: str, before: Mapping[str, int], after: Mapping[str, int], limits: Limits | None = None) -> Shift:
    """Of categories, from how often each is on either side."""
    names = [name for name in {**before, **after} if before.get(name) or after.get(name)]
    counts = np.array([[side.get(name, 0) for name in names] for side in (before, after)], np.int64)
    had, has = (int(size) for size in counts.sum(axis=1))
    if not (had and has):
        return Shift(column, "not measured", had, has)
    moved, p = psi(counts[0].tolist(), counts[1].tolist()), _chi_squared_p(counts)
    shares = counts / counts.sum(axis=1, keepdims=True)
    order = np.argsort(-shares.max(axis=0), kind="stable")[:BARS]
    bars = tuple(Bar(str(names[one]), float(shares[0, one]), float(shares[1, one])) for one in order)
    return Shift(column, verdict(moved, None, p, limits), had, has, moved, None, p, bars)


def shift_of_numbers(
    column: str, before: Values, after: Values, limits: Limits | None = None, is_ratio: bool = False
) -> Shift:  # fmt: skip
    """Of numbers: PSI over the deciles of `before`, KS over all values. `is_ratio`: drawn on a logarithmic scale."""
    from scipy import stats  # a third of a second, and names need less

    old, new = (np.sort(side[np.isfinite(side)]) for side in (np.asarray(before, float), np.asarray(after, float)))
    if not (len(old) and len(new)):
        return Shift(column, "not measured", len(old), len(new))
    edges = np.unique(np.quantile(old, np.linspace(0, 1, PSI_BINS + 1)[1:-1]))
    moved = psi(*(_counts(side, edges, "right") for side in (old, new)))
    # the exact p costs the product of the sizes, and that for many has none of one value against one
    found = stats.ks_2samp(old, new, method="exact" if max(len(old), len(new)) <= EXACT_KS else "asymp")
    ks, p = float(found.statistic), float(found.pvalue)
    bars, middle = drawn_bars(old, new, is_ratio), (float(np.median(old)), float(np.median(new)))
    return Shift(column, verdict(moved, ks, p, limits), len(old), len(new), moved, ks, p, bars, middle)


def verdict(psi: float, ks: float | None, p: float, limits: Limits | None = None) -> Verdict:
    """In a word; the worse of PSI and KS counts."""
    limits = limits or Limits()

    def reaches(mark: Effect) -> bool:
        return psi >= mark.psi or (ks is not None and ks >= mark.ks)

    if not reaches(limits.shifted) and not reaches(limits.different):
        return "stable"
    if p > limits.max_p:
        return "too few"
    return "different" if reaches(limits.different) else "shifted"


def drawn_bars(before: Values, after: Values, is_ratio: bool = False) -> tuple[Bar, ...]:
    """Of sorted numbers: equal bins over what both sides hold, without the outermost hundredth at either end, which the end
    bins take in. `is_ratio`: equal on a logarithmic scale. Whole numbers lie in bins of whole numbers.
    """
    ends = np.array([np.quantile(side, (0.01, 0.99)) for side in (before, after)])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    if all((side == np.floor(side)).all() for side in (before, after)):
        edges = np.arange(low, high + 1 + (step := np.ceil((high - low + 1) / BARS)), step)
    elif high > low:
        edges = (np.geomspace if is_ratio and low > 0 else np.linspace)(low, high, BARS + 1)
    else:
        edges = np.array([low, low])
    shares = [[count / len(side) for count in _counts(side, edges[1:-1], "left")] for side in (before, after)]
    names = [f"{one:.3g} to {other:.3g}" for one, other in pairwise(edges)]
    return tuple(Bar(*row) for row in zip(names, *shares, strict=True))


def _counts(ordered: Values, edges: Values, at_edge: Literal["left", "right"]) -> list[int]:
    """How many of the sorted numbers lie between the edges; `right`: an edge belongs to the bin below it."""
    found: list[int] = np.diff(np.searchsorted(ordered, edges, at_edge), prepend=0, append=len(ordered)).tolist()
    return found


def _chi_squared_p(counts: Values) -> float:
    from scipy import stats

    if counts.shape[1] < 2:
        return 1.0
    return float(stats.chi2_contingency(counts, correction=False).pvalue)
