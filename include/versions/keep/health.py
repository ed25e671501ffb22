"""What came of looking at versions: each one's damages, and whom they touch."""

from __future__ import annotations

from dataclasses import dataclass, field

from include.artifacts import Damage, DatasetVersion
from include.versions.keep.examine import Bad


@dataclass
class Health:
    """One version. `damages` name an object once, under one of its paths."""

    key: str
    card: DatasetVersion | None = None
    damages: list[Damage] = field(default_factory=list)
    models: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def dataset(self) -> str:
        return self.key.split("/")[1]

    @property
    def version(self) -> str:
        return self.key.rpartition("/")[2].removesuffix(".json")

    @property
    def label(self) -> str:
        return f"{self.dataset}:{self.version}"

    def add(self, relpath: str, bad: Bad, md5: str = "") -> None:
        self.damages.append(Damage(relpath=relpath, md5=md5, **vars(bad)))


@dataclass(frozen=True)
class Verified:
    """`objects` that the versions name, each counted once; `objects_read` of them and of their tables and listings."""

    versions: tuple[Health, ...]
    objects: int
    objects_read: int
    etags_trusted: bool

    @property
    def broken(self) -> list[Health]:
        return [one for one in self.versions if one.damages]
