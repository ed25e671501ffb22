"""From newly checked labels to a version card: read, merge, write what is new, and take the next free number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from include.artifacts import CheckedLabels, DatasetVersion
from include.artifacts.tables import from_parquet
from include.errors import BadInputError, NothingToDo
from include.step.run import StepRun
from include.versions.alike.duplicates import keep_apart
from include.versions.compare.shift_gate import check_shift
from include.versions.contents import Contents
from include.versions.history import card_address, version_numbers
from include.versions.publish import describe
from include.versions.stay_put import read_places
from tasks.build_dataset.config import BuildDataset
from tasks.build_dataset.merge import Checked, check_classes, leave_out, merge
from tasks.build_dataset.stale import in_order, without_stale


def build_next(step: StepRun[BuildDataset]) -> DatasetVersion | None:
    """The next version, standing; None if another builder took its number: look again. Raises NothingToDo."""
    config = step.config
    step.read_cards.clear()
    number = max(version_numbers(step.store, config.name), default=0)
    parent = step.card_at("parent", DatasetVersion, card_address(config.name, number)) if number else None
    fresh = _fresh_labels(step, parent)
    if not fresh:
        known = f"{parent.label} has them all" if parent else "there are none"
        raise NothingToDo(f"no checked labels that are new to dataset {config.name}: {known}")
    before = Contents.read(step.content, parent) if parent else Contents.empty()
    checked = [without_stale(step, _checked(step, card), card, parent, before) for card in fresh]
    check_classes(checked, before, config.classes)
    places = read_places(step.content, [parent.images_table, parent.left_table] if parent else [])
    after = leave_out(merge(before, checked, config.split.by_split, places), config.leave_out)
    if after.images.empty:
        raise NothingToDo(f"{len(fresh)} new batches of checked labels, but not one accepted image in them")
    after, counts = keep_apart(step, after, config.near_duplicates, [parent] if parent else [])
    if parent is not None:
        counts = counts | check_shift(step, config.shift, before, after, parent, f"v{number + 1}")
    fields = describe(step.content, config.name, config.classes, after, [parent] if parent else [], known=places)
    version = _write(step, fields | {"counts": counts}, parent, f"v{number + 1}", [card.standing_address for card in fresh])
    if not step.store.create(version.standing_address, version.to_bytes()):
        return None
    _say(step, version, after)
    return version


def _fresh_labels(step: StepRun[BuildDataset], parent: DatasetVersion | None) -> list[CheckedLabels]:
    """Cards that the parent has not, in the order in which their batches were made. Cards it has are not read again."""
    had = set(parent.checked_labels if parent else ())
    fresh: dict[str, CheckedLabels] = {}
    for folder in step.addresses["labels"].split(","):
        for entry in step.store.list(folder):
            if entry.key.endswith(".json") and entry.key not in had:
                card = step.card_at("labels", CheckedLabels, entry.key)
                if card.standing_address not in had:
                    fresh[card.standing_address] = card
    return in_order(step, fresh.values())


def _checked(step: StepRun[BuildDataset], card: CheckedLabels) -> Checked:
    images, annotations = (from_parquet(step.content.get(md5)) for md5 in (card.images_table, card.annotations_table))
    if images["md5"].null_count:
        raise BadInputError(f"{card.standing_address}: accepted images without a file; expected checked labels: validate again")
    return Checked(card.standing_address, card.source, images, annotations, _withdrawn(step, card))


def _withdrawn(step: StepRun[BuildDataset], card: CheckedLabels) -> dict[str, frozenset[str]]:
    """By the address of an earlier card, the images of the deliveries that this one supersedes."""
    withdrawn = {}
    for batch, names in card.supersedes.items():
        address = f"labels/{card.source}/checked/{batch}.json"
        if step.store.exists(address):
            earlier = CheckedLabels.load(step.store, address)
            images = from_parquet(step.content.get(earlier.images_table), ["md5", "delivery"]).to_pylist()
            withdrawn[address] = frozenset(row["md5"] for row in images if row["delivery"] in names)
    return withdrawn


def _write(
    step: StepRun[BuildDataset], fields: dict[str, Any], parent: DatasetVersion | None, version: str, labels: list[str]
) -> DatasetVersion:
    """The card. Raises NothingToDo if nothing changed."""
    if parent is not None and fields["digest"] == parent.digest:
        raise NothingToDo(f"nothing changed: {len(labels)} new batches of checked labels leave {parent.label} as it is")
    return step.card(
        DatasetVersion,
        name=step.config.name,
        version=version,
        parents=(parent.standing_address,) if parent else (),
        checked_labels=(*(parent.checked_labels if parent else ()), *labels),
        **fields,
    )


def _say(step: StepRun[BuildDataset], version: DatasetVersion, contents: Contents) -> None:
    renamed = sum(Path(relpath).stem.endswith(f".{md5[:8]}") for relpath, md5 in contents.images[["relpath", "md5"]].values)
    if contents.superseded:
        step.log.info("%d images came again: their newer labels stand", contents.superseded)
    if contents.withdrawn:
        step.log.info(
            "%d images were withdrawn: deleted at their source, or no longer in a corrected delivery", contents.withdrawn
        )
    if renamed:
        step.log.info("%d images share their name with others: they carry the start of their md5", renamed)
    step.log.info(
        "%s  digest %s  %s  %d bytes, %d of them new",
        version.label, version.digest,
        "  ".join(f"{split} {n.images} images {n.annotations} boxes {n.groups} groups" for split, n in version.splits.items()),
        version.size_bytes, version.new_bytes,
    )  # fmt: skip
