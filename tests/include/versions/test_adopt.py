"""What is known of objects before they are adopted, and where adopted bytes are found."""

from __future__ import annotations

import logging
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from include.storage import Store, open_store
from include.storage.adopted import Adopted, Lies
from include.storage.content import md5_of
from include.storage.store import Entry
from include.versions import objects
from include.versions.objects import Asked, etags_are_md5s, listed, look_at, stretches
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
    assert etags_are_md5s(store, listed(entries(store, is_md5))) is is_md5


def test_etags_that_are_no_md5s_are_not_taken_for_them(store: Store) -> None:
    seen = look_at(store, listed(entries(store, False)), [False] * 3, LOG)
    assert seen.to_pydict() == {"md5": [md5_of(png(seed)) for seed in "abc"], "width_px": [None] * 3, "height_px": [None] * 3}


def test_an_upload_in_parts_is_read_although_other_etags_are_md5s(store: Store) -> None:
    first, *rest = entries(store, True)
    seen = look_at(store, listed([replace(first, etag=first.etag + "-2"), *rest]), [False] * 3, LOG)
    assert seen["md5"][0].as_py() == md5_of(png("a"))


def test_a_size_in_pixels_that_the_first_bytes_do_not_say_is_still_found(store: Store, tmp_path: Path) -> None:
    from PIL import Image

    comment = b"x" * 60000
    Image.new("RGB", (300, 200)).save(tmp_path / "plain.jpg")
    plain = (tmp_path / "plain.jpg").read_bytes()
    segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    store.write("raw/late.jpg", plain[:2] + 2 * segment + plain[2:])  # 120 kB before the header with the size
    assert sizes(store) == [(300, 200)]


def test_the_size_of_a_tiff_that_states_it_at_its_end_is_found_without_reading_it_whole(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = 1200 * 1000
    tags = [(256, 4, 1200), (257, 4, 1000), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 4, 1000), (279, 4, pixels)]
    entries_ = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    data = struct.pack("<2sHI", b"II", 42, 8 + pixels) + bytes(pixels) + struct.pack("<H", len(tags)) + entries_ + bytes(4)
    store.write("raw/end.tif", data)
    monkeypatch.setattr(objects, "etags_are_md5s", lambda *_: True)
    monkeypatch.setattr(objects, "is_md5", lambda _: True)
    monkeypatch.setattr(Store, "read", lambda self, key: pytest.fail(f"{key} was read whole") if "raw" in key else missing())
    assert sizes(store) == [(1200, 1000)]


def missing() -> bytes:
    raise FileNotFoundError


def sizes(store: Store) -> list[tuple[int, int]]:
    seen = look_at(store, listed(store.list("raw")), [True], LOG)
    return list(zip(seen["width_px"].to_pylist(), seen["height_px"].to_pylist(), strict=True))


def test_one_file_more_changes_one_stretch_of_a_listing_only() -> None:
    many = [Asked(f"raw/{n:06}.jpg", "e", 1, True) for n in range(20000)]
    before = [tuple(one.key for one in some) for some in stretches(many)]
    after = [tuple(one.key for one in some) for some in stretches([many[0]._replace(key="raw/0.jpg"), *many])]
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
