"""What is known of objects before they are adopted, and where adopted bytes are found."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from include.storage import Store, open_store
from include.storage.adopted import Adopted, Lies
from include.storage.content import md5_of
from include.storage.store import Entry
from include.versions.objects import etags_are_md5s, look_at, stretches
from tests.versions import png

LOG = logging.getLogger("test")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}/store")


def entries(store: Store, etag_is_md5: bool) -> list[Entry]:
    """A listing as an S3 server gives it: 32 hex digits, which are the md5s or are not."""
    for seed in "abc":
        store.write(f"raw/{seed}.png", png(seed))
    found = sorted(store.list("raw"), key=lambda entry: entry.key)
    return [replace(one, etag=md5_of(store.read(one.key)) if etag_is_md5 else "f" * 32) for one in found]


@pytest.mark.parametrize("is_md5", [True, False])
def test_etags_are_believed_where_a_sample_of_reads_confirms_them(store: Store, is_md5: bool) -> None:
    assert etags_are_md5s(store, entries(store, is_md5)) is is_md5


def test_etags_that_are_no_md5s_are_not_taken_for_them(store: Store) -> None:
    seen = look_at(store, entries(store, False), (), LOG)
    assert {key: one[0] for key, one in seen.items()} == {f"raw/{seed}.png": md5_of(png(seed)) for seed in "abc"}


def test_an_upload_in_parts_is_read_although_other_etags_are_md5s(store: Store) -> None:
    first, *rest = entries(store, True)
    seen = look_at(store, [replace(first, etag=first.etag + "-2"), *rest], (), LOG)
    assert seen["raw/a.png"][0] == md5_of(png("a"))


def test_a_size_in_pixels_that_the_first_bytes_do_not_say_is_still_found(store: Store, tmp_path: Path) -> None:
    from PIL import Image

    comment = b"x" * 60000
    Image.new("RGB", (300, 200)).save(tmp_path / "plain.jpg")
    plain = (tmp_path / "plain.jpg").read_bytes()
    segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    store.write("raw/late.jpg", plain[:2] + 2 * segment + plain[2:])  # 120 kB before the header with the size
    (entry,) = store.list("raw")
    assert look_at(store, [entry], {entry.key}, LOG)["raw/late.jpg"][1:] == (300, 200)


def test_one_file_more_changes_one_stretch_of_a_listing_only() -> None:
    from datetime import UTC, datetime

    many = [Entry(f"raw/{n:06}.jpg", 1, "e", datetime(2026, 1, 1, tzinfo=UTC)) for n in range(20000)]
    before = [tuple(one.key for one in some) for some in stretches(many)]
    after = [tuple(one.key for one in some) for some in stretches([replace(many[0], key="raw/0.jpg"), *many])]
    assert sum(map(len, before)) == 20000
    assert len(before) > 5
    assert len(set(after) - set(before)) <= 2


def test_every_place_of_the_same_bytes_is_known_and_none_is_written_twice(store: Store) -> None:
    md5 = md5_of(b"x")
    lies = [Lies(md5, key, "e", 1) for key in ("raw/a ä.png", 'raw/"b".png')]
    assert Adopted(store).add(lies) == 2
    assert Adopted(store).add([*lies, Lies(md5, "raw/c.png", "e", 1)]) == 1
    assert sorted(Adopted(store).keys(md5)) == ['raw/"b".png', "raw/a ä.png", "raw/c.png"]
    assert Adopted(store).keys(md5_of(b"y")) == []
    assert len(list(store.list(f"adopted/{md5[:2]}"))) == 2
