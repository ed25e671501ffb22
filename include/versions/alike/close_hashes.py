"""Which of many 64-bit hashes are close, without comparing all with all.

Of two hashes at most `bits` apart, one of their four quarters is at most bits // 4 apart. So a hash is looked up by each
quarter, with every change of so few of its 16 bits: for 6 bits, 68 looks into tables of 65,536 places
(multi-index hashing: Norouzi, Punjani and Fleet, CVPR 2012).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 2_000_000  # candidates: 100 MB of temporary columns
QUARTERS, QUARTER_BITS = 4, 16
Hashes = NDArray[np.uint64]
Ints = NDArray[Any]
Block = tuple[Ints, Ints, Ints]


def close_pairs(ones: Hashes, others: Hashes, bits: int) -> Iterator[Block]:
    """Blocks of positions in `ones`, positions in `others` and bits apart (at most `bits`); each pair once."""
    radius = bits // QUARTERS
    if not len(ones) or not len(others):
        return
    for number in range(QUARTERS):
        mine, theirs = quarter(ones, number), quarter(others, number)
        order = np.argsort(theirs, kind="stable")
        counts = np.bincount(theirs, minlength=2**QUARTER_BITS)
        starts = np.cumsum(counts) - counts
        for flip in flips(radius):
            for one, other in looked_up(mine ^ flip, order, starts, counts):
                apart = ones[one] ^ others[other]
                distance = np.bitwise_count(apart)
                is_first = np.ones(len(one), bool)  # a quarter further left has not found the pair already
                for earlier in range(number):
                    is_first &= np.bitwise_count(quarter(apart, earlier)) > radius
                chosen = (distance <= bits) & is_first
                if chosen.any():
                    yield one[chosen], other[chosen], distance[chosen]


def quarter(hashes: Hashes, number: int) -> Ints:
    return ((hashes >> np.uint64(QUARTER_BITS * number)) & np.uint64(2**QUARTER_BITS - 1)).astype(np.int64)


def flips(radius: int) -> Iterator[int]:
    """Every value of 16 bits with at most so many of them set."""
    for count in range(radius + 1):
        for places in combinations(range(QUARTER_BITS), count):
            yield sum(1 << place for place in places)


def looked_up(wanted: Ints, order: Ints, starts: Ints, counts: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Positions in `wanted`, and of those whose quarter is the wanted one; some at a time."""
    found = counts[wanted]
    total = np.cumsum(found)
    begin = 0
    while begin < len(wanted):
        before = total[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(total, before + AT_ONCE, "right")))
        some = found[begin:end]
        if some.any():
            one = np.repeat(np.arange(begin, end), some)
            offset = np.arange(len(one)) - np.repeat(np.cumsum(some) - some, some)
            yield one, order[np.repeat(starts[wanted[begin:end]], some) + offset]
        begin = end
