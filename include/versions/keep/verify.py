"""Does every object that a version names exist, whole and unchanged? One listing of the bucket answers for all versions.

What the listing proves (inventory.py, beside this; of adopted objects elsewhere.py) is not read; anything else is read and
hashed: no proof in the ETag, absent, another size than in the version's table, not as it was adopted, or damaged the last time.
So nothing is called damaged on the word of a listing. A version's listing, tables and card are always read; the card is compared
with its copy in the run that made it, and with the md5 that later versions noted when they read it.

Memory: 16 bytes a name and 8 a size, a few times over; the listing of one version at a time; no Python object for a whole object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from include.artifacts import DatasetVersion
from include.artifacts.tables import from_parquet
from include.errors import BadInputError
from include.storage import ContentStore, Store
from include.storage.addresses import CARD, clean, task_folder
from include.storage.content import content_key, in_threads, md5_of
from include.versions import aliases
from include.versions.history import card_address, version_numbers
from include.versions.keep.digests import Digests, Names, listed, pack, relpaths_of
from include.versions.keep.elsewhere import listed_unchanged
from include.versions.keep.examine import Bad, Examiner
from include.versions.keep.health import Health, Verified
from include.versions.keep.inventory import SAMPLE, Inventory, take_inventory
from include.versions.keep.touched import models_by_digest
from include.versions.listing import DIR


def version_keys(store: Store, dataset: str | None = None) -> list[str]:
    """Cards of every version, and of those that are gone but that an alias still names."""
    keys: dict[str, None] = {}
    for name in [dataset] if dataset else sorted({entry.key.split("/")[1] for entry in store.list("datasets")}):
        keys |= dict.fromkeys(card_address(name, number) for number in version_numbers(store, name))
        keys |= dict.fromkeys(f"datasets/{name}/{version}.json" for version in aliases.current(store, name).values())
    return list(keys)


def verify(
    store: Store, keys: Iterable[str], deep: bool = False, doubted: Mapping[str, frozenset[str] | None] | None = None
) -> Verified:
    """The versions whose cards are at `keys`, and parents of theirs that are gone. `deep`: read everything.

    `doubted`: by key, the md5s that are read whatever the listing says (None: all of the version's).
    """
    # cards first: whatever they name is older than the listing that follows
    versions = list(in_threads(lambda key: _open(store, key), keys))
    versions += [_open(store, key) for key in _lost_parents(store, versions)]
    _compare_cards(store, versions)
    inventory, examiner = take_inventory(store), Examiner(ContentStore(store))
    wanted, doubt = Digests.none(), Digests.none()
    for one in versions:
        names = _needed(examiner, one)
        wanted += names
        if doubted and one.key in doubted:
            few = doubted[one.key]
            doubt += names if few is None else Digests.of(pack(sorted(few)))
    examiner.check_that_it_reads()
    bad = _examine(examiner, wanted, doubt, inventory, deep)
    _attribute(store, versions, bad)
    _who_is_touched(store, versions)
    return Verified(tuple(versions), len(wanted.names), examiner.read, inventory.etags_trusted)


def _open(store: Store, key: str) -> Health:
    """The card, if it can be had; it must be as the run that made it has it."""
    health = Health(key)
    try:
        data = store.read(key)
        health.card = DatasetVersion.from_bytes(data, key)
    except FileNotFoundError:
        health.add("(card)", Bad(key, "missing", "a version that an alias or a later version names", "no object"))
        return health
    except BadInputError as error:
        health.add("(card)", Bad(key, "changed", "a dataset_version card", str(error)))
        return health
    by = health.card.made_by
    copy_key = f"{task_folder(by.dag_id, by.run_id, clean(by.task_id))}/{CARD}"
    try:
        copy = DatasetVersion.from_bytes(store.read(copy_key), copy_key)
    except (FileNotFoundError, BadInputError):
        return health
    if copy != health.card and copy.label == health.label:
        health.add("(card)", Bad(key, "changed", f"as in {copy_key}", md5_of(data)))
    return health


def _lost_parents(store: Store, versions: Sequence[Health]) -> list[str]:
    known = {one.key for one in versions}
    parents = {parent for one in versions if one.card for parent in one.card.parents}
    return sorted(parent for parent in parents - known if not store.exists(parent))


def _compare_cards(store: Store, versions: Sequence[Health]) -> None:
    """Each card with the md5 that later versions noted when they read it."""
    noted = {card.address: card.md5 for one in versions if one.card for cards in one.card.inputs.values() for card in cards}
    for one in versions:
        if one.key in noted and not one.damages and (got := md5_of(store.read(one.key))) != noted[one.key]:
            one.add("(card)", Bad(one.key, "changed", noted[one.key], got))


def _needed(examiner: Examiner, one: Health) -> Digests:
    """The files of a version, with their sizes where its table has them. Damage to its own objects is noted."""
    if one.card is None:
        return Digests.none()
    listing, bad = examiner.own(one.card.digest + DIR)
    if bad is not None:
        one.add("(listing)", bad, one.card.digest)
    files = Digests.none() if bad else Digests.of(listed(listing))
    del listing
    tables = {"images": one.card.images_table, "annotations": one.card.annotations_table, "left": one.card.left_table}
    for name, md5 in ((f"({name} table)", md5) for name, md5 in tables.items() if md5 is not None):
        data, bad = examiner.own(md5)
        if bad is not None:
            one.add(name, bad, md5)
        elif md5 == one.card.images_table:
            files = _sized(from_parquet(data, columns=["md5", "size_bytes"])) + files
    return files


def _sized(table: pa.Table) -> Digests:
    packed = [pack(batch["md5"].to_pylist()) for batch in table.to_batches(max_chunksize=65536)]
    names: Names = np.concatenate([np.empty(0, "S16"), *packed])
    return Digests.of(names, table["size_bytes"].to_numpy())


def _examine(examiner: Examiner, wanted: Digests, doubt: Digests, inventory: Inventory, deep: bool) -> dict[str, Bad]:
    """By md5: what is wrong with those that the listing does not prove."""
    if deep:
        return examiner.many(wanted.names, wanted.numbers)
    proven = inventory.has_proof(wanted)
    absent = ~inventory.objects.find(wanted.names)[1]
    proven[absent] = _proven_elsewhere(examiner, Digests(wanted.names[absent], wanted.numbers[absent]))
    read = ~proven | doubt.find(wanted.names)[1]
    return examiner.many(wanted.names[read], wanted.numbers[read])


def _proven_elsewhere(examiner: Examiner, absent: Digests) -> NDArray[np.bool_]:
    """Of objects that are not in files/md5: adopted, and listed as they were then. Believed where a sample of reads agrees."""
    proven = listed_unchanged(examiner.content.adopted, absent)
    some = np.flatnonzero(proven)[:: max(1, int(proven.sum()) // SAMPLE)]
    return proven if not examiner.many(absent.names[some], absent.numbers[some]) else np.zeros_like(proven)


def _attribute(store: Store, versions: Sequence[Health], bad: dict[str, Bad]) -> None:
    """Damaged files to the versions that name them, with their paths: from the listing, or from the table where that is lost."""
    if not bad:
        return
    md5s = frozenset(bad)
    for one in versions:
        if one.card is None:
            continue
        for md5, relpath in dict(_paths(store, one, one.card, md5s)).items():
            one.add(relpath, bad[md5], md5)


def _paths(store: Store, one: Health, card: DatasetVersion, md5s: frozenset[str]) -> Iterable[tuple[str, str]]:
    lost = {damage.relpath for damage in one.damages}
    if "(listing)" not in lost:
        return relpaths_of(store.read(content_key(card.digest + DIR)), md5s)
    if "(images table)" not in lost:
        table = from_parquet(store.read(content_key(card.images_table)), columns=["md5", "relpath"])
        rows = zip(table["md5"].to_pylist(), table["relpath"].to_pylist(), strict=True)
        return ((md5, relpath) for md5, relpath in rows if md5 in md5s)
    return ()


def _who_is_touched(store: Store, versions: Sequence[Health]) -> None:
    broken = [one for one in versions if one.damages]
    models = models_by_digest(store) if broken else {}
    pointing = {name: aliases.current(store, name) for name in {one.dataset for one in broken}}
    for one in broken:
        one.models = tuple(models.get(one.card.digest, ())) if one.card else ()
        one.aliases = tuple(alias for alias, version in pointing[one.dataset].items() if version == one.version)
