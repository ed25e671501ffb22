"""What an audit found: is every byte that a version names there, whole and unchanged?"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from include.artifacts.base import Card, Frozen

What = Literal["missing", "truncated", "changed", "wrong size", "unreadable"]


class Damage(Frozen):
    """One damaged object, as one version names it. `relpath` of a version's own objects is in brackets: `(listing)`."""

    key: str
    md5: str = Field(description="of the bytes that should be there; empty: of a card")
    relpath: str
    what: What
    expected: str
    got: str


class BrokenVersion(Frozen):
    """A version with damage, and who is touched by it: `model version N` for every promoted model, aliases."""

    version: str = Field(description="<dataset>:v<n>")
    damaged: int = Field(description="objects; `damages` are the first of them")
    damages: tuple[Damage, ...]
    models: tuple[str, ...]
    aliases: tuple[str, ...]
    mark: str | None = Field(description="key of the mark that makes training refuse it; none: it was not marked")


class StorageAudit(Card):
    """Counts are of all versions together; an object that several share counts once."""

    kind: ClassVar[str] = "storage_audit"

    versions: tuple[str, ...]
    broken: tuple[BrokenVersion, ...]
    mended: tuple[str, ...] = Field(description="versions found whole that were marked as broken")
    objects: int
    objects_read: int = Field(description="read and hashed; the others were proven by their ETag in the listing")
    etags_trusted: bool
    page: str
