"""What the sample says of all labels: by hand, by scipy, and by drawing it thousands of times."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from include.spot_checks.estimate import Reviewed, estimate, share_of


@pytest.mark.parametrize(("wrong", "reviewed"), [(0, 20), (3, 50), (20, 20), (190, 4000)])
def test_one_stratum_that_is_much_larger_than_its_sample_has_wilsons_interval(wrong: int, reviewed: int) -> None:
    found = share_of(Reviewed("Tree", 10**12, reviewed, wrong))
    theirs = stats.binomtest(wrong, reviewed).proportion_ci(method="wilson")
    assert found is not None
    assert (found.rate, found.low, found.high) == pytest.approx((wrong / reviewed, theirs.low, theirs.high), abs=1e-6)


def test_strata_count_by_their_size() -> None:
    # 9,000 labels with 2 of 90 wrong and 1,000 with 5 of 10: 0.9 × 0.0222 + 0.1 × 0.5
    found = estimate([Reviewed("a", 9000, 90, 2), Reviewed("b", 1000, 10, 5)])
    assert found.share is not None
    assert found.share.rate == pytest.approx(0.07)
    assert (found.reviewed, found.wrong, found.population, found.covered) == (100, 7, 10_000, 1.0)
    # V = 0.81·0.99·(2·88/90²)/90 + 0.01·0.99·0.25/10 = 0.000441; 0.0651 / V = 147.6 labels, but 101.01 where both are alike
    squared = stats.norm.ppf(0.975) ** 2 / (1 / (0.81 * 0.99 / 90 + 0.01 * 0.99 / 10))
    half = (0.07 * 0.93 * squared + squared**2 / 4) ** 0.5 / (1 + squared)
    assert found.share.high == pytest.approx((0.07 + squared / 2) / (1 + squared) + half)


def test_where_everything_was_reviewed_nothing_is_uncertain() -> None:
    found = estimate([Reviewed("a", 10, 10, 1), Reviewed("b", 30, 30, 3)])
    assert found.share is not None
    assert (found.share.low, found.share.rate, found.share.high) == (0.1, 0.1, 0.1)


def test_none_wrong_leaves_an_upper_bound() -> None:
    found = estimate([Reviewed("a", 1000, 50, 0), Reviewed("b", 10, 2, 0)]).share
    assert found is not None
    assert (found.rate, found.low) == (0, 0)
    assert 0.05 < found.high < 0.08  # Wilson's of 0 in 50: 0.071


def test_strata_that_nobody_looked_at_are_not_spoken_of() -> None:
    found = estimate([Reviewed("a", 750, 10, 1), Reviewed("b", 250, 0, 0)])
    assert found.covered == 0.75
    assert found.share is not None
    assert found.share.rate == 0.1
    assert estimate([Reviewed("a", 10, 0, 0)]).share is None


SIZES = (5000, 3000, 1500, 800, 400, 200, 80, 20)


@pytest.mark.parametrize(
    ("sizes", "shares", "sampled"),
    [
        pytest.param(SIZES, [0.05] * 8, (91, 54, 27, 14, 7, 5, 1, 1), id="5% everywhere"),
        pytest.param(SIZES, [0.02] * 8, (89, 53, 27, 14, 7, 5, 3, 2), id="2% everywhere"),
        pytest.param(SIZES, [0.01] * 8, (89, 53, 27, 14, 7, 5, 3, 2), id="1% everywhere"),
        pytest.param(SIZES, (0.01, 0.03, 0.05, 0.1, 0.2, 0.2, 0.3, 0.5), (86, 52, 26, 14, 7, 5, 5, 5), id="rare ones are bad"),
        pytest.param(SIZES, (0.2, 0.02, 0.05, 0.1, 0.1, 0.1, 0.1, 0.1), (86, 52, 26, 14, 7, 5, 5, 5), id="the largest is bad"),
        pytest.param((300, 200, 100), (0.1, 0.05, 0.2), (100, 67, 33), id="a third of a small batch"),
        pytest.param((1000,) * 20, [n / 50 for n in range(20)], (5,) * 20, id="five of each annotator"),
    ],
)  # fmt: skip
def test_of_a_hundred_intervals_ninety_five_hold_the_truth(
    sizes: tuple[int, ...], shares: tuple[float, ...], sampled: tuple[int, ...]
) -> None:  # fmt: skip
    """Wrong labels are drawn without replacement, 4,000 times; the truth is known."""
    random, draws = np.random.default_rng(5), 4000
    wrong = [round(size * share) for size, share in zip(sizes, shares, strict=True)]
    truth = sum(wrong) / sum(sizes)
    drawn = [random.hypergeometric(bad, size - bad, n, draws) for bad, size, n in zip(wrong, sizes, sampled, strict=True)]
    held = 0
    for draw in zip(*drawn, strict=True):
        rows = zip(map(str, range(len(sizes))), sizes, sampled, map(int, draw), strict=True)
        share = estimate([Reviewed(*row) for row in rows]).share
        assert share is not None
        held += share.low <= truth <= share.high
    assert 0.93 <= held / draws <= 0.97, held / draws
