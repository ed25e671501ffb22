"""The state of a training that is under way: kept aside, beside where its card will be."""

from __future__ import annotations

import hashlib
import logging

from include.storage import Store

HASH_BYTES = 32
log = logging.getLogger("train_detector")


class ResumeFile:
    """`<output>/resume.pt`: the sha256 of what the training is `of`, then its state. Writes are atomic in every store."""

    def __init__(self, store: Store, output: str, of: str) -> None:
        self.store, self.key, self.of = store, f"{output}/resume.pt", hashlib.sha256(of.encode()).digest()

    def save(self, state: bytes) -> None:
        self.store.write(self.key, self.of + state)

    def read(self) -> bytes | None:
        """The state to go on from; None where there is none, or where it is another training's."""
        try:
            kept = self.store.read(self.key)
        except FileNotFoundError:
            return None
        if kept[:HASH_BYTES] != self.of:
            log.warning("%s is of a training with another configuration or dataset: starting anew", self.key)
            return None
        return kept[HASH_BYTES:]

    def delete(self) -> None:
        self.store.delete(self.key)
