"""Which split an image belongs to: it follows from its group alone, so no image ever moves from test to train."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, Literal

Split = Literal["train", "val", "test"]
SPLITS: Final[tuple[Split, ...]] = ("train", "val", "test")


def split_of(group: str, fractions: Mapping[Split, float]) -> Split:
    """The split of a group (scene, site, patient), by a hash of its name.

    The md5 of the name, as a number in [0, 1), falls below `train`, below `train + val`, or above. Adding groups moves none.
    """
    place = int(hashlib.md5(group.encode(), usedforsecurity=False).hexdigest()[:8], 16) / 2**32
    if place < fractions["train"]:
        return "train"
    return "val" if place < fractions["train"] + fractions["val"] else "test"
