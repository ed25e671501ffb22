"""Claim: near duplicates across splits among 1,000,000 pictures are found from their hashes in under 30 s and 2 GB.

How: a million random hashes, 80% train, 10% val, 10% test, and 1,000 pairs planted across splits, 0 to 6 bits apart. A fresh
process looks for all pairs of different splits at most 6 bits apart; what it finds is compared with what was planted. The peer,
in the same run: comparing all with all in numpy, on 1/50 of one side (its seconds times 50 are an estimate).

    .venv/data/bin/python benchmarks/near_duplicates.py
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from include.versions.alike.close_hashes import Hashes, close_pairs

PICTURES = int(os.environ.get("PICTURES", "1000000"))  # a smaller number to try it out
PLANTED, BITS, SHARE = 1000, 6, 50
BOUND_S, BOUND_GB = 30.0, 2.0


def made_up() -> tuple[list[Hashes], set[tuple[int, int]]]:
    """Hashes of train, val and test; and the pairs of values that were planted."""
    chance = np.random.default_rng(0)
    hashes = chance.integers(0, 2**64 - 1, PICTURES, dtype=np.uint64)
    sides = np.split(hashes, [PICTURES * 8 // 10, PICTURES * 9 // 10])
    planted = set()
    for number in range(PLANTED):
        first, second = list(combinations(range(3), 2))[number % 3]
        bits = chance.choice(64, number % (BITS + 1), replace=False)
        one = int(sides[first][number])
        sides[second][number] = other = one ^ sum(1 << int(bit) for bit in bits)
        planted.add((one, other))
    return sides, planted


def found(sides: list[Hashes]) -> Iterator[tuple[int, int]]:
    for ones, others in combinations(sides, 2):
        for one, other, _ in close_pairs(ones, others, BITS):
            yield from zip(ones[one].tolist(), others[other].tolist(), strict=True)


def all_with_all(ones: Hashes, others: Hashes) -> int:
    return sum(int((np.bitwise_count(ones ^ one) <= BITS).sum()) for one in others)


def main() -> None:
    """The table; exit 1 if a bound is missed or a planted pair is."""
    sides, planted = made_up()
    started = time.perf_counter()
    pairs = set(found(sides))
    seconds = time.perf_counter() - started
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
    started = time.perf_counter()
    for ones, others in combinations(sides, 2):
        all_with_all(ones, others[: len(others) // SHARE])
    peer_s = (time.perf_counter() - started) * SHARE
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {PICTURES:,} pictures")
    print(f"looked up by quarters  {seconds:8.1f} s  {peak_gb:.2f} GB  {len(planted & pairs)} of {len(planted)} planted pairs, "
          f"{len(pairs - planted)} others")  # fmt: skip
    print(f"all with all           {peer_s:8.0f} s  (estimated from 1/{SHARE})")
    print(f"bound                  {BOUND_S:8.1f} s  {BOUND_GB:.2f} GB")
    sys.exit(seconds > BOUND_S or peak_gb > BOUND_GB or not planted <= pairs)


if __name__ == "__main__":
    main()
