"""Columns of text as numbers: by hash, as categories, as places in another table."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
SHORT = 16  # bytes
LONG = 256  # bytes, as text of keys is not
AT_ONCE = 2**16  # texts that are made as wide as the longest of them


class Places:
    """Where in the table of images a key is, by 128 bits of it: nobody can make two texts that share them, so no key is kept."""

    def __init__(self, keys: Iterable[pa.StringArray]) -> None:
        self.salts = np.random.default_rng().integers(0, 2**64, (2, LONG // 8 + 1), np.uint64)
        found = [mixed(some, self.salts) for some in keys]
        one, other = np.hstack([np.empty((2, 0), np.uint64), *found])
        self.order = np.lexsort((other, one)).astype(np.int32)
        self.hashes = one[self.order], other[self.order]
        same = np.diff(self.hashes[0]) == 0
        if (same & (np.diff(self.hashes[1]) == 0)).any():
            raise ValueError("two images of the batch have the same image_key")
        self.alike = 1 + int(same.sum())  # at most so many have the same first 64 bits

    def of(self, keys: pa.ChunkedArray) -> Ints:
        """-1 for null and for what is no image of the batch."""
        places = np.full(len(keys), -1)
        one, other = mixed(keys.combine_chunks().fill_null(""), self.salts)
        at = np.searchsorted(self.hashes[0], one)
        is_text = keys.is_valid().to_numpy()
        for _ in range(self.alike if len(self.order) else 0):
            near = at.clip(max=len(self.order) - 1)
            is_it = is_text & (self.hashes[0][near] == one) & (self.hashes[1][near] == other)
            places[is_it] = self.order[near[is_it]]
            at += 1
        return places


def mixed(texts: pa.StringArray, salts: Hashes) -> Hashes:
    """64 bits of each text for each row of `salts`. No text may be null."""
    found = np.empty((len(salts), len(texts)), np.uint64)
    for start in range(0, len(texts), AT_ONCE):
        some = texts.slice(start, AT_ONCE)
        lengths = pc.binary_length(some).to_numpy()
        long = np.flatnonzero(lengths > LONG)
        words = _padded(pc.if_else(pa.array(lengths > LONG), "", some) if len(long) else some, _width(lengths)).view(np.uint64)
        words = np.column_stack([lengths.astype(np.uint64), words])  # a text may end in NUL itself
        for row, salt in zip(found[:, start : start + AT_ONCE], salts, strict=True):
            own = salt[: words.shape[1]]
            # what it is filled up with counts for nothing: how much that is depends on the texts beside it
            row[:] = _scattered(words ^ own).sum(axis=1) - _scattered(own).sum()
            row[long] = hashes_of(some.take(pa.array(long)), f"{salt[-1]:016x}")
    return found


def _scattered(numbers: Hashes) -> Hashes:
    return pd.util.hash_array(numbers.ravel()).reshape(numbers.shape)


def _width(lengths: NDArray[np.int32]) -> int:
    """Of the longest that is not long, in whole words."""
    return max(8, -(-int(lengths.max(where=lengths <= LONG, initial=0)) // 8) * 8)


def _padded(texts: pa.StringArray, width: int) -> NDArray[np.uint8]:
    """Their bytes, a row each, filled up with NUL. None may be longer."""
    made = pc.ascii_rpad(texts, width, padding="\0")
    return np.frombuffer(made.buffers()[2] or b"", np.uint8)[: len(texts) * width].reshape(-1, width)


def hashes_of(texts: pa.StringArray, salt: str) -> Hashes:
    """64 bits of each."""
    return pd.util.hash_array(texts.to_numpy(zero_copy_only=False), hash_key=salt, categorize=False)


def shared(values: Hashes) -> NDArray[np.intp]:
    """Where a value is that is there more than once."""
    in_order = np.sort(values)
    again = in_order[1:][in_order[1:] == in_order[:-1]]
    if not len(again):
        return np.empty(0, np.intp)
    return np.flatnonzero(again[np.searchsorted(again, values).clip(max=len(again) - 1)] == values)


def words(column: pa.ChunkedArray) -> pd.Series:
    """As categories: each different text once."""
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy()
    return pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(encoded.dictionary.to_pylist(), dtype=object)))


def identities(texts: pa.ChunkedArray) -> tuple[Hashes, Hashes]:
    """128 bits of each, the same for the same text alone: its own bytes if they are few, as those of nearly all ids; else hashes.

    No text may be null.
    """
    all_texts = texts.combine_chunks()
    lengths = pc.binary_length(all_texts).to_numpy()
    few = np.flatnonzero(lengths <= SHORT)
    own = _padded(all_texts.take(pa.array(few)) if len(few) < len(lengths) else all_texts, SHORT)
    few_own = np.count_nonzero(own, axis=1) == lengths[few]  # a text may end in NUL itself
    found = np.empty((len(lengths), 2), np.uint64)
    found[few] = own.view(np.uint64)
    others = np.setdiff1d(np.arange(len(lengths)), few[few_own], assume_unique=True)
    if len(others):
        for at in (0, 1):
            found[others, at] = hashes_of(all_texts.take(pa.array(others)), f"{at:016d}")
    return found[:, 0], found[:, 1]
