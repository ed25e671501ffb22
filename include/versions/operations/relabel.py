"""Labels changed, pictures as they are: other names for classes, boxes left out for their size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from include.errors import ConfigError
from include.versions.contents import Contents
from include.versions.operations.kinds import DropSmall, Reclassify
from include.versions.publish import Made


def check_names(names: Mapping[str, str | None], classes: Sequence[str], where: str) -> None:
    """Raises ConfigError for a class that there is not: a typo would leave boxes under their old name."""
    if unknown := sorted(names.keys() - set(classes)):
        raise ConfigError(f"{where}: no class {', '.join(map(repr, unknown))}; there are: {', '.join(classes)}")


def new_names(names: Mapping[str, str | None], classes: Sequence[str]) -> list[str]:
    """What classes are called afterwards, in their order, each once."""
    return list(dict.fromkeys(new for old in classes if (new := names.get(old, old)) is not None))


def in_order(derived: Sequence[str], given: Sequence[str] | None, where: str) -> tuple[str, ...]:
    """The classes of the result. Raises ConfigError where the given ones lack one that has to be there."""
    if given is None:
        return tuple(derived)
    if missing := [name for name in derived if name not in given]:
        raise ConfigError(
            f"{where}.classes: got {', '.join(given)}; expected also {', '.join(missing)}: rename them, or map them to null"
        )
    if len(set(given)) < len(given):
        raise ConfigError(f"{where}.classes: got {', '.join(given)}; expected each name once")
    return tuple(given)


def rename(annotations: pd.DataFrame, names: Mapping[str, str | None]) -> pd.DataFrame:
    """The boxes under their new names, without those of dropped classes."""
    dropped = annotations["class_name"].isin([old for old, new in names.items() if new is None])
    kept = annotations[~dropped].reset_index(drop=True)
    changed = {old: new for old, new in names.items() if new is not None}
    return kept.assign(class_name=kept["class_name"].map(lambda name: changed.get(name, name)).astype(object))


def reclassify(before: Contents, classes: tuple[str, ...], how: Reclassify) -> Made:
    check_names(how.map, classes, "reclassify.map")
    after = rename(before.annotations, how.map)
    renamed = before.annotations["class_name"].isin([old for old, new in how.map.items() if new not in (None, old)])
    counts = {"annotations_left_out": len(before.annotations) - len(after), "annotations_renamed": int(renamed.sum())}
    return Made(Contents(before.images, after), in_order(new_names(how.map, classes), how.classes, "reclassify"), counts)


def drop_small(before: Contents, classes: tuple[str, ...], how: DropSmall) -> Made:
    width, height = (before.annotations[side].astype(float) for side in ("width_px", "height_px"))
    shorter = pd.concat([width, height], axis=1).min(axis=1)
    small = (shorter < (how.min_side_px or 0)) | (width * height < (how.min_area_px2 or 0))
    small &= ~before.annotations["is_crowd"].astype(bool)
    after = before.annotations[~small].reset_index(drop=True)
    return Made(Contents(before.images, after), classes, {"annotations_left_out": int(small.sum())})
