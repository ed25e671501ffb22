"""Who uses a version: the promoted models that were trained on it, the aliases that name it."""

from __future__ import annotations

import logging
from collections import defaultdict

from include.artifacts import Bundle, Promotion
from include.errors import BadInputError
from include.storage import Store
from include.storage.content import in_threads

log = logging.getLogger("verify")


def models_by_digest(store: Store) -> dict[str, list[str]]:
    """`model version N` of every promoted model, by the digest of the version that it was trained on."""

    def trained_on(key: str) -> tuple[str, str] | None:
        try:
            one = Promotion.load(store, key)
            if one.decision == "promoted":
                return Bundle.load(store, one.bundle).dataset_digest, f"{one.model} version {one.champion_after}"
        except BadInputError as error:  # must not hide what else there is to say
            log.warning("a promoted model cannot be told from its card: %s", error)
        return None

    keys = [entry.key for entry in store.list("models") if "/promotions/" in entry.key]
    found: dict[str, list[str]] = defaultdict(list)
    for one in in_threads(trained_on, keys):
        if one is not None:
            found[one[0]].append(one[1])
    return dict(found)
