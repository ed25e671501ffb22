"""Every md5 that anything in the store names: what garbage collection must not touch.

Any text of 32 hex digits in any .json object counts as a name, so that a new kind of card is safe before anyone thinks of it
here. Listings and tables that a card names are opened, and what they name counts too. So does what adopted records name, and
what any other DVC listing names: someone's own dvc may have pushed it here. Where one of these cannot be opened the search
stops: what it names is not known.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator

import obstore
import pyarrow.parquet as pq

from include.artifacts.tables import parts_of
from include.errors import BadInputError
from include.storage import ContentStore, Store
from include.storage.adopted import FOLDER as ADOPTED
from include.storage.condemned import FOLDER as CONDEMNED
from include.storage.content import content_key, in_threads
from include.versions.keep.digests import Digests, pack
from include.versions.keep.inventory import FOLDER as CONTENT
from include.versions.keep.inventory import name_of
from include.versions.listing import DIR

NAME = re.compile(rb"(?<![0-9A-Za-z])(?:files/md5/([0-9a-f]{2})/([0-9a-f]{30})|([0-9a-f]{32}))(?![0-9A-Za-z])")
OPENED = re.compile(rb'"(\w+_table|digest)": ?"([0-9a-f]{32})"')  # in a card: what must be there, because it names more
OVERLAP = 128  # bytes, more than any name with its key: none is lost between two pieces
AT_ONCE = 1024
PARQUET = b"PAR1"
SMALLEST_PARQUET = 12
OURS = ("datasets/", "labels/", "models/", "runs/")


def references(store: Store, also: Iterable[str] = ()) -> Digests:
    """md5s named by cards, by what cards name, and by the texts `also`. Raises BadInputError where one of these is lost."""
    content, named, must_open = ContentStore(store), Digests.none(), set[str]()
    for text in also:
        named += Digests.of(pack(in_text([text.encode()])[0]))
    for keys in slices(entry.key for entry in store.list("") if may_name(entry.key)):
        for found, opened in in_threads(lambda key: _in_object(store, key), keys):
            named += Digests.of(pack(found))
            must_open |= opened
    found_within = named
    for name in sorted(must_open | set(_openable(store, named))):
        found_within += named_in(content, name)
    return found_within


def may_name(key: str) -> bool:
    """Cards, adopted records, and any other JSON but the deliveries of labels: those are taken in, and can be large."""
    if key.startswith(f"{ADOPTED}/"):
        return key.endswith(".jsonl.gz")
    if not key.endswith(".json") or key.startswith((f"{CONTENT}/", f"{CONDEMNED}/")):
        return False
    return key.startswith(OURS) or not key.endswith("/annotations.json")


def _in_object(store: Store, key: str) -> tuple[set[str], set[str]]:
    try:
        return in_text([gzip.decompress(store.read(key))] if key.endswith(".gz") else store.chunks(key))
    except FileNotFoundError:  # gone since it was listed: it names nothing any more
        return set(), set()
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise BadInputError(f"{store.url}/{key}: damaged, so what it names is not known; restore it") from None


def in_text(pieces: Iterable[obstore.Bytes | bytes]) -> tuple[set[str], set[str]]:
    """All md5s in a text; and those among them that name further ones, directory objects with their `.dir`."""
    found: set[str] = set()
    opened: set[str] = set()
    rest = b""
    for piece in pieces:
        text = rest + bytes(piece)
        found.update(map(_md5, NAME.finditer(text)))
        opened.update(one[2].decode() + (DIR if one[1] == b"digest" else "") for one in OPENED.finditer(text))
        rest = text[-OVERLAP:]
    return found, opened


def _md5(found: re.Match[bytes]) -> str:
    return (found[3] or found[1] + found[2]).decode()


def slices(items: Iterable[str]) -> Iterator[list[str]]:
    """AT_ONCE at a time."""
    few: list[str] = []
    for item in items:
        few.append(item)
        if len(few) == AT_ONCE:
            yield few
            few = []
    yield few


def _openable(store: Store, named: Digests) -> Iterator[str]:
    """Of the objects that are there: every directory object, and tables that are named, whatever field names them."""
    entries = ((name_of(entry), entry.size_bytes) for entry in store.list(CONTENT))
    there = (name for name, size in entries if name and (size >= SMALLEST_PARQUET or name.endswith(DIR)))
    for names in slices(there):
        yield from (name for name in names if name.endswith(DIR))
        is_named = named.find(pack(name[:32] for name in names))[1]
        hits = [name for name, hit in zip(names, is_named, strict=True) if hit and not name.endswith(DIR)]
        tables = in_threads(lambda name: store.start_of(content_key(name), len(PARQUET)) == PARQUET, hits)
        yield from (name for name, is_table in zip(hits, tables, strict=True) if is_table)


def named_in(content: ContentStore, name: str) -> Digests:
    """A listing and what it names, or what a table's columns of md5s name. Raises BadInputError where it is lost."""
    data = content.get(name)
    if name.endswith(DIR):
        return Digests.of(pack([name.removesuffix(DIR)])) + Digests.of(pack(map(_md5, NAME.finditer(data))))
    found = Digests.none()
    for column in (one for one in pq.read_schema(io.BytesIO(data)).names if one == "md5" or one.endswith("_md5")):
        for rows in parts_of(data, [column], 65536):
            found += Digests.of(pack(md5 for md5 in rows[column].to_pylist() if md5 and re.fullmatch("[0-9a-f]{32}", md5)))
    return found
