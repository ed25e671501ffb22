from __future__ import annotations

import hashlib
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from include.versions.splits import Split, split_of

FRACTIONS: dict[Split, float] = {"train": 0.7, "val": 0.1, "test": 0.2}


def test_split_follows_from_the_first_32_bits_of_the_md5() -> None:
    # printf %s a | md5sum: 0cc175b9… = 0.0498 of 2**32; "e": e1671797… = 0.8805; "c": 4a8a08f0… = 0.2912
    assert split_of("a", FRACTIONS) == "train"
    assert split_of("e", FRACTIONS) == "test"
    assert split_of("c", {"train": 0.29, "val": 0.01, "test": 0.7}) == "val"


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_split_is_where_the_hash_falls(group: str) -> None:
    place = int.from_bytes(hashlib.md5(group.encode()).digest()[:4], "big") / 4294967296
    assert split_of(group, FRACTIONS) == ("train" if place < 0.7 else "val" if place < 0.7 + 0.1 else "test")


def test_shares_of_many_groups_come_close_to_the_fractions() -> None:
    shares = Counter(split_of(f"scene {number}", FRACTIONS) for number in range(20_000))
    # 20,000 draws: a standard deviation is at most 65
    assert abs(shares["train"] - 14_000) < 300
    assert abs(shares["val"] - 2_000) < 200
    assert abs(shares["test"] - 4_000) < 250


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_a_fraction_of_one_takes_all(group: str) -> None:
    assert split_of(group, {"train": 0, "val": 0, "test": 1}) == "test"
    assert split_of(group, {"train": 1, "val": 0, "test": 0}) == "train"
