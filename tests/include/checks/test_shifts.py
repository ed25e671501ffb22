"""How far a column has moved: expected values by hand, by formula of the normal distribution, or by scipy."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from pydantic import ValidationError

from include.checks.shifts import Effect, Limits, drawn_bars, psi, shift_of_names, shift_of_numbers, verdict


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param([50, 50], [500, 500], 0.0, id="same shares of another size"),
        # (0.5 − 0.9)·ln(5/9) + (0.5 − 0.1)·ln(5)
        pytest.param([900, 100], [500, 500], 0.4 * math.log(9 / 5) + 0.4 * math.log(5), id="two classes"),
        pytest.param([20, 30, 50], [30, 30, 40], 0.1 * math.log(3 / 2) + 0.1 * math.log(5 / 4), id="three bins"),
        # the empty bin counts as half a case of 100: 0.005
        pytest.param([100, 0], [90, 10], -0.1 * math.log(0.9) + 0.095 * math.log(20), id="a new class"),
        pytest.param([50, 50, 0], [50, 50, 0], 0.0, id="a bin that is empty on both sides"),
    ],
)
def test_psi_is_what_the_formula_gives_by_hand(before: list[int], after: list[int], expected: float) -> None:
    assert psi(before, after) == pytest.approx(expected, abs=1e-12)
    assert psi([0, *before], [0, *after]) == pytest.approx(expected, abs=1e-12)


def test_psi_is_the_same_both_ways() -> None:
    assert psi([10, 20, 70], [30, 30, 40]) == pytest.approx(psi([30, 30, 40], [10, 20, 70]))


def test_chi_squared_of_two_classes_is_that_of_the_textbook() -> None:
    found = shift_of_names("class", {"a": 90, "b": 10}, {"a": 80, "b": 20})
    statistic = 200 * (90 * 20 - 10 * 80) ** 2 / (100 * 100 * 170 * 30)  # 2 × 2, without correction: 3.92
    assert found.p == pytest.approx(math.erfc(math.sqrt(statistic / 2)))
    assert found.verdict == "stable"  # PSI 0.08


def test_ks_is_the_widest_gap_between_the_cumulative_shares() -> None:
    found = shift_of_numbers("x", [1, 2, 3, 4], [3, 4, 5, 6])
    assert found.ks == 0.5
    assert found.p == pytest.approx(54 / 70)  # of the 70 orders of four and four values, 54 have a gap of a half or more
    assert found.verdict == "too few"


def test_one_value_against_one_is_too_few() -> None:
    found = shift_of_numbers("x", [1], [2])
    assert (found.ks, found.p, found.verdict) == (1.0, 1.0, "too few")


@pytest.mark.parametrize(("moved_by", "expected"), [(0.0, "stable"), (0.25, "stable"), (0.4, "shifted"), (0.6, "different")])
def test_a_normal_distribution_that_moves_is_measured_as_theory_says(moved_by: float, expected: str) -> None:
    before, after = (np.random.default_rng(seed).normal(mean, 1, 200_000) for seed, mean in ((1, 0.0), (2, moved_by)))
    found = shift_of_numbers("x", before, after)
    assert found.ks == pytest.approx(2 * NormalDist().cdf(moved_by / 2) - 1, abs=0.005)
    assert found.psi is not None
    assert found.psi == pytest.approx(moved_by**2, rel=0.1, abs=0.001)  # ten bins see a little less than all values
    assert found.verdict == expected


def test_a_tiny_effect_in_a_million_boxes_is_stable_though_its_p_is_0() -> None:
    before, after = (np.random.default_rng(seed).normal(mean, 1, 1_000_000) for seed, mean in ((1, 0.0), (2, 0.03)))
    found = shift_of_numbers("x", before, after)
    assert found.p is not None
    assert found.p < 1e-20
    assert found.verdict == "stable"


def test_many_rare_classes_in_a_small_batch_are_too_few_rather_than_different() -> None:
    """A hundred boxes cannot hold a thousand classes: PSI sees a shift in every draw, chi-squared does not."""
    before = {str(name): 1000 for name in range(1000)}
    drawn = np.random.default_rng(0).integers(0, 1000, 100)
    after = {str(name): int((drawn == name).sum()) for name in range(1000)}
    found = shift_of_names("class", before, after)
    assert found.psi is not None
    assert found.psi > 1
    assert found.verdict == "too few"


def test_what_has_no_values_on_one_side_is_not_measured() -> None:
    assert shift_of_numbers("brightness", [np.nan], [0.5]).verdict == "not measured"
    assert shift_of_names("site", {}, {"north": 3}).verdict == "not measured"


def test_numbers_that_are_none_are_left_out() -> None:
    found = shift_of_numbers("x", [1, 2, np.nan, np.inf], [1, 2, 2])
    assert (found.before, found.after) == (2, 3)


def test_one_value_everywhere_is_stable_and_a_lower_one_is_seen_by_ks() -> None:
    ones = np.ones(500)
    assert shift_of_numbers("x", ones, ones).verdict == "stable"
    lower = shift_of_numbers("x", ones, ones * 0.5)
    assert (lower.ks, lower.verdict) == (1.0, "different")
    assert shift_of_names("class", {"a": 5}, {"a": 9}).verdict == "stable"


@pytest.mark.parametrize(
    ("psi", "ks", "p", "expected"),
    [
        (0.0999, 0.1249, 0.0, "stable"),
        (0.1, None, 0.0, "shifted"),
        (0.0, 0.125, 0.0, "shifted"),
        (0.25, 0.0, 0.0, "different"),
        (0.0, 0.2, 0.0, "different"),
        (0.9, 0.9, 0.02, "too few"),
    ],
)
def test_the_worse_of_both_measures_gives_the_verdict(psi: float, ks: float | None, p: float, expected: str) -> None:
    assert verdict(psi, ks, p) == expected


def test_limits_can_be_set() -> None:
    strict = Limits(shifted=Effect(psi=0.01, ks=0.05), different=Effect(psi=0.02, ks=0.1))
    assert shift_of_names("class", {"a": 9000, "b": 1000}, {"a": 8600, "b": 1400}, strict).verdict == "shifted"
    with pytest.raises(ValidationError, match="greater than 0"):
        Effect(psi=0, ks=0.1)


def test_bars_hold_every_value_once() -> None:
    values = np.sort(np.random.default_rng(3).lognormal(3, 1, 10_000))
    bars = drawn_bars(values, values[:100], is_ratio=True)
    assert sum(bar.before for bar in bars) == pytest.approx(1)
    assert sum(bar.after for bar in bars) == pytest.approx(1)
    assert [bar.name for bar in drawn_bars(np.full(3, 0.5), np.full(4, 0.5))] == ["0.5 to 0.5"]


def test_whole_numbers_have_a_bar_each_where_there_is_room() -> None:
    bars = drawn_bars(np.array([1, 1, 2, 4]), np.array([2, 3]))
    assert [(bar.name, bar.before, bar.after) for bar in bars] == [
        ("1 to 2", 0.5, 0.0), ("2 to 3", 0.25, 0.5), ("3 to 4", 0.0, 0.5), ("4 to 5", 0.25, 0.0),
    ]  # fmt: skip
