"""Columns of text as numbers: by hash, as categories, as places in another table."""

from __future__ import annotations

from itertools import count

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
SHORT = 16  # bytes


class Places:
    """Where in the table of images a key is, found by hash and confirmed by the key itself."""

    def __init__(self, keys: pa.ChunkedArray) -> None:
        self.keys = keys.combine_chunks()
        for salt in count():
            self.salt = f"{salt:016d}"
            hashes = hashes_of(keys, self.salt)
            self.order = np.argsort(hashes, kind="stable")
            self.hashes = hashes[self.order]
            if (self.hashes[1:] != self.hashes[:-1]).all():
                return
            if salt == 3:
                raise ValueError("two images of the batch have the same image_key")

    def of(self, keys: pa.ChunkedArray) -> Ints:
        """-1 for null and for what is no image of the batch."""
        words = keys.combine_chunks().dictionary_encode()
        wanted = words.dictionary
        at = np.searchsorted(self.hashes, hashes_of(wanted, self.salt)).clip(max=max(0, len(self.order) - 1))
        places = self.order[at] if len(self.order) else np.zeros(len(wanted), np.int64)
        is_it = np.zeros(len(wanted), np.bool_)
        if len(self.order) and len(wanted):
            is_it = np.asarray(pc.equal(self.keys.take(pa.array(places)), wanted))
        codes = words.indices.fill_null(len(wanted)).to_numpy()
        return np.asarray(np.append(np.where(is_it, places, -1), -1)[codes])


def hashes_of(texts: pa.Array | pa.ChunkedArray, salt: str) -> Hashes:
    """64 bits of each."""
    parts = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    found = [pd.util.hash_array(part.to_numpy(zero_copy_only=False), hash_key=salt, categorize=False) for part in parts]
    return np.concatenate(found) if found else np.empty(0, np.uint64)


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
    padded = pc.ascii_rpad(all_texts.take(pa.array(few)) if len(few) < len(lengths) else all_texts, SHORT, padding="\0")
    own = np.frombuffer(padded.buffers()[2] or b"", np.uint8)[: len(few) * SHORT].reshape(-1, SHORT)
    few_own = np.count_nonzero(own, axis=1) == lengths[few]  # a text may end in NUL itself
    found = np.empty((len(lengths), 2), np.uint64)
    found[few] = own.view(np.uint64)
    others = np.setdiff1d(np.arange(len(lengths)), few[few_own], assume_unique=True)
    if len(others):
        for at in (0, 1):
            found[others, at] = hashes_of(all_texts.take(pa.array(others)), f"{at:016d}")
    return found[:, 0], found[:, 1]
