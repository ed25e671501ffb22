"""What share of all labels is wrong, from a stratified sample of which some were found wrong; with 95% confidence intervals.

    p = Σ W_h p_h                                      p_h = x_h / n_h: wrong ones among those reviewed; W_h = N_h / N
    V = Σ W_h² (1 − n_h / N_h) p_h (1 − p_h) / n_h     with finite population correction (Cochran, Sampling Techniques, ch. 5)
    Wilson's interval of p over the effective number of labels, p (1 − p) / V, but at most 1 / Σ W_h² (1 − n_h / N_h) / n_h

The effective number is Korn and Graubard's (1998); Wilson's covers best of those in use for shares from surveys (Franco, Little,
Louis and Slud 2019, Journal of Survey Statistics and Methodology). The bound is the number that would count if all strata had
the same share: without it a stratum of which none of the few reviewed was wrong passes for certain, and at 1% wrong the interval
covers 80% of draws instead of 95% (tests/include/spot_checks/test_estimate.py). Of a stratum that nobody looked at nothing is
said: `covered` is the share of labels that the estimate speaks of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Reviewed:
    """A stratum: how many labels it has, how many of them were reviewed, and how many of these are wrong."""

    name: str
    population: int
    reviewed: int
    wrong: int


@dataclass(frozen=True)
class Share:
    """Of wrong labels (0–1), with its 95% confidence interval."""

    rate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.rate:.1%} ({self.low:.1%} to {self.high:.1%})"


@dataclass(frozen=True)
class Estimate:
    """`share` is None before the first verdict. `covered`: the share of all labels in strata of which some were reviewed."""

    share: Share | None
    covered: float
    reviewed: int
    wrong: int
    population: int


def estimate(strata: Sequence[Reviewed]) -> Estimate:
    """Of all strata together."""
    seen = [one for one in strata if one.reviewed]
    population, within = (sum(one.population for one in some) for some in (strata, seen))
    counts = (sum(one.reviewed for one in seen), sum(one.wrong for one in seen), population)
    if not seen:
        return Estimate(None, 0.0, *counts)
    rate = sum(one.population / within * one.wrong / one.reviewed for one in seen)
    parts = [(one, (one.population / within) ** 2 * (1 - one.reviewed / one.population) / one.reviewed) for one in seen]
    if not any(part for _, part in parts):  # all of it was reviewed
        return Estimate(Share(rate, rate, rate), within / population, *counts)
    alike = 1 / sum(part for _, part in parts)  # the effective number where all strata have the same share
    variance = sum(part * one.wrong * (one.reviewed - one.wrong) / one.reviewed**2 for one, part in parts)
    share = wilson(rate, min(alike, rate * (1 - rate) / variance) if variance > 0 else alike)
    return Estimate(share, within / population, *counts)


def share_of(stratum: Reviewed) -> Share | None:
    """Of one stratum alone: Wilson's interval, narrower where a good part of the stratum was reviewed."""
    return estimate([stratum]).share


def wilson(rate: float, count: float) -> Share:
    """The score interval (Wilson 1927) of a share seen in `count` labels, which need not be a whole number."""
    squared = Z * Z / count
    middle = (rate + squared / 2) / (1 + squared)
    half = math.sqrt(rate * (1 - rate) * squared + squared * squared / 4) / (1 + squared)
    return Share(rate, max(0.0, min(rate, middle - half)), min(1.0, max(rate, middle + half)))
