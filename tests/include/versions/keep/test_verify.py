from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import obstore
import pytest

from include.artifacts import DatasetVersion
from include.errors import BadInputError, StepError
from include.storage import ContentStore, Store
from include.storage.content import content_key, md5_of
from include.versions import aliases
from include.versions.keep import verify as verifying
from include.versions.keep.broken import history, mark_of, refuse_broken, verify_and_mark
from include.versions.keep.digests import Digests, listed, pack, relpaths_of, unpack
from include.versions.keep.elsewhere import topmost
from include.versions.keep.health import Verified
from include.versions.keep.inventory import SAMPLE, take_inventory
from include.versions.keep.verify import verify, version_keys
from include.versions.listing import listing_bytes
from tests.versions import adopt_at, png, put_version

Opened = Callable[[str], Store]
A, B, C = (f"images/{name}.png" for name in "abc")
CODED = 'images/ä "md5": \\x.png'  # quotes, a backslash, an umlaut: as a listing's regular expression must survive
D = 'images/ä "d".png'


def put(store: Store, *relpaths: str, name: str = "trees", **card: Any) -> DatasetVersion:
    boxes = [{"image": relpaths[0], "class_name": "Tree", "box": (1, 2, 10, 10)}]
    return put_version(store, name, ("Tree",), [{"relpath": relpath} for relpath in relpaths], boxes, **card)


def everything(store: Store, **how: Any) -> Verified:
    return verify(store, version_keys(store), **how)


def found(verified: Verified) -> dict[str, list[tuple[str, str]]]:
    """Version → (path, what)."""
    return {one.label: sorted((damage.relpath, damage.what) for damage in one.damages) for one in verified.broken}


def key_of(relpath: str) -> str:
    return content_key(hashlib.md5(png(relpath)).hexdigest())


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


SCHEMES = pytest.mark.parametrize("scheme", ["file", pytest.param("s3", marks=pytest.mark.integration)])


@SCHEMES
def test_every_kind_of_damage_is_found_in_every_version_that_has_it(opened: Opened, scheme: str) -> None:
    store = opened(scheme)
    put(store, A, B, C)
    put(store, B, C, CODED)
    put(store, A, name="other")
    assert found(everything(store)) == {}
    store.write(key_of(A), flip(png(A)))
    store.write(key_of(B), png(B)[:-7])
    store.delete(key_of(C))
    store.write(key_of(CODED), png("another picture", (300, 200)))
    verified = everything(store)
    assert found(verified) == {
        "trees:v1": [(A, "changed"), (B, "truncated"), (C, "missing")],
        "trees:v2": [(B, "truncated"), (C, "missing"), (CODED, "changed")],
        "other:v1": [(A, "changed")],
    }
    changed = next(damage for one in verified.broken for damage in one.damages if damage.relpath == A)
    assert (changed.key, changed.expected, changed.got) == (key_of(A), md5_of(png(A)), md5_of(flip(png(A))))


@SCHEMES
@pytest.mark.parametrize("role", ["(listing)", "(images table)", "(annotations table)"])
@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_versions_own_objects_are_read(opened: Opened, scheme: str, role: str, damage: str) -> None:
    store = opened(scheme)
    version = put(store, A, B)
    names = {"(listing)": f"{version.digest}.dir", "(images table)": version.images_table,
             "(annotations table)": version.annotations_table}  # fmt: skip
    key = content_key(names[role])
    store.write(key, flip(store.read(key))) if damage == "changed" else store.delete(key)
    store.delete(key_of(B))
    # without its listing, a version's images are known from the table
    assert found(everything(store))["trees:v1"] == [(role, damage), (B, "missing")]


@pytest.mark.integration
def test_on_s3_only_a_sample_is_read_and_what_the_listing_cannot_prove(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened("s3")
    images = [f"images/{number}.png" for number in range(60)]
    put(store, *images)
    read: list[str] = []
    chunks = Store.chunks
    monkeypatch.setattr(Store, "chunks", lambda self, key: (read.append(key), chunks(self, key))[1])
    verified = everything(store)
    assert verified.etags_trusted
    assert verified.objects == 60 + 2  # and the COCO files: of train, and the empty one of val and test
    assert len(read) == SAMPLE
    assert verified.objects_read == 3  # listing and tables
    read.clear()
    store.write(key_of(images[7]), flip(png(images[7])))
    assert found(everything(store)) == {"trees:v1": [(images[7], "changed")]}
    assert len(read) == SAMPLE + 1
    assert read[-1] == key_of(images[7])
    assert everything(store, deep=True).objects_read == 62 + 3


@pytest.mark.integration
def test_an_upload_in_parts_is_read_because_its_etag_is_no_md5(opened: Opened) -> None:
    store = opened("s3")
    data = png(A) + np.random.default_rng(0).bytes(12 * 2**20)  # a picture, and more than its end
    put_version(store, "trees", ("Tree",), [{"relpath": A, "data": data}, {"relpath": B}], [])
    key = content_key(md5_of(data))
    for bytes_, expected in ((data, {}), (flip(data), {"trees:v1": [(A, "changed")]})):
        obstore.put(store.backend, key, bytes_, use_multipart=True, chunk_size=5 * 2**20)
        (entry,) = [entry for entry in store.list("files/md5") if entry.key == key]
        assert "-" in entry.etag
        assert found(everything(store)) == expected


def put_adopted(store: Store, *relpaths: str) -> DatasetVersion:
    """Pictures at `inbox/…`, adopted; and one by content."""
    images = [{"relpath": relpath, "adopted": f"inbox/{relpath}"} for relpath in relpaths]
    return put_version(store, "old", ("Tree",), [*images, {"relpath": "images/own.png"}], [])


@SCHEMES
def test_adopted_objects_that_were_replaced_cut_off_or_deleted_are_found(opened: Opened, scheme: str) -> None:
    store = opened(scheme)
    put_adopted(store, A, B, C, D)
    put(store, A, name="copied")  # the same bytes by content: whole, whatever happens to the adopted object
    assert found(everything(store)) == {}
    store.write(f"inbox/{A}", flip(png(A)))
    store.write(f"inbox/{B}", flip(png(B)))
    store.write(f"inbox/{C}", png(C)[:-7])
    store.delete(f"inbox/{D}")
    verified = everything(store)
    assert found(verified) == {"old:v1": [(B, "changed"), (C, "truncated"), (D, "missing")]}
    assert {damage.key for damage in verified.broken[0].damages} == {f"inbox/{one}" for one in (B, C, D)}
    for relpath in (B, C, D):
        store.write(f"inbox/{relpath}", png(relpath))  # on file:// with another ETag than was recorded
    assert found(everything(store)) == {}


@pytest.mark.integration
def test_adopted_objects_are_proven_by_the_etag_that_was_recorded(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened("s3")
    put_adopted(store, *(f"{number % 3}/{number}.png" for number in range(60)))
    read: list[str] = []
    chunks = Store.chunks
    monkeypatch.setattr(Store, "chunks", lambda self, key: (read.append(key), chunks(self, key))[1])
    assert found(everything(store)) == {}
    adopted = [key for key in read if key.startswith("inbox/")]
    assert 16 <= len(adopted) <= 20  # a sample of the 60
    store.write("inbox/1/7.png", flip(png("1/7.png")))
    assert found(everything(store)) == {"old:v1": [("1/7.png", "changed")]}


def test_one_whole_place_of_adopted_bytes_is_enough(store: Store) -> None:
    put_adopted(store, A)
    adopt_at(ContentStore(store), "elsewhere/a.png", png(A))
    store.delete(f"inbox/{A}")
    assert found(everything(store)) == {}
    store.delete("elsewhere/a.png")
    assert found(everything(store)) == {"old:v1": [(A, "missing")]}


def test_a_damaged_record_of_adopted_places_is_named(store: Store) -> None:
    put_adopted(store, A)
    (record,) = store.list(f"adopted/{md5_of(png(A))[:2]}")
    store.write(record.key, store.read(record.key)[:-9])
    (broken,) = everything(store).broken
    (damage,) = broken.damages
    assert (damage.relpath, damage.what) == (A, "unreadable")
    assert f"{record.key}: damaged" in damage.got


@pytest.mark.parametrize(
    ("folders", "listed_"),
    [
        ({"a/b", "a/b/c", "a/bc", "d"}, ["a/b", "a/bc", "d"]),
        ({"a", "a-b", "a/b"}, ["a", "a-b"]),
        ({"", "a"}, [""]),
        ({f"a/{n}" for n in range(1001)}, ["a"]),
        (set(), []),
    ],
    ids=["one in another", "a name that begins like another", "the top", "too many", "none"],
)
def test_folders_are_listed_once(folders: set[str], listed_: list[str]) -> None:
    assert sorted(topmost(folders)) == sorted(listed_)


class SilentStore(Store):
    """Lists its objects, but from some time on gives none of their bytes."""

    def chunks(self, key: str) -> Any:
        raise obstore.exceptions.GenericError("connection refused")

    def read(self, key: str) -> bytes:
        if key.startswith("files/"):
            raise obstore.exceptions.GenericError("connection refused")
        return super().read(key)


def test_a_server_that_stops_giving_bytes_marks_nothing(store: Store) -> None:
    put(store, A, B)
    silent = SilentStore(store.url, store.backend)
    with pytest.raises(StepError, match="gives none of their bytes; nothing was marked"):
        verify_and_mark(silent, version_keys(silent), "r1")
    assert mark_of(store, "trees", "v1") is None


class OneUnreadable(Store):
    """As SeaweedFS gives an object whose volume has a damaged needle: an error, whatever one asks."""

    def chunks(self, key: str) -> Any:
        if key == key_of(A):
            raise obstore.exceptions.GenericError("500 internal error")
        return super().chunks(key)


def test_one_object_that_cannot_be_read_is_damage(store: Store) -> None:
    put(store, A, B)
    assert found(everything(OneUnreadable(store.url, store.backend))) == {"trees:v1": [(A, "unreadable")]}


class LyingStore(Store):
    """Lists every object as if it were whole, as a server does whose disk rots."""

    def list(self, prefix: str) -> Any:
        import dataclasses

        for entry in super().list(prefix):
            name = entry.key.removeprefix("files/md5/").replace("/", "")
            yield dataclasses.replace(entry, etag=name)


def test_a_server_whose_etags_a_sample_refutes_is_not_trusted(opened: Opened) -> None:
    plain = opened("file")
    put(plain, A, B)
    store = LyingStore(plain.url, plain.backend)
    assert everything(store).etags_trusted
    for relpath in (A, B):
        plain.write(key_of(relpath), flip(png(relpath)))
    verified = everything(store)  # so few objects that the sample is all of them
    assert not verified.etags_trusted
    assert found(verified) == {"trees:v1": [(A, "changed"), (B, "changed")]}


def test_rot_that_no_listing_shows_is_found_deep_and_its_mark_stays_until_it_is_mended(opened: Opened) -> None:
    plain = opened("file")
    images = [f"images/{number}.png" for number in range(200)]
    version = put(plain, *images)
    store = LyingStore(plain.url, plain.backend)
    names = take_inventory(store).objects.names
    sampled = unpack(names[np.unique(np.linspace(0, len(names) - 1, SAMPLE).astype(int))])
    rotten = next(one for one in images if md5_of(png(one)) not in sampled)
    plain.write(key_of(rotten), flip(png(rotten)))
    keys = version_keys(store)
    assert verify_and_mark(store, keys, "r1")[0].broken == []
    assert found(verify_and_mark(store, keys, "r2", deep=True)[0]) == {"trees:v1": [(rotten, "changed")]}
    assert found(verify_and_mark(store, keys, "r3")[0]) == {"trees:v1": [(rotten, "changed")]}
    assert mark_of(store, "trees", "v1") is not None
    plain.write(key_of(rotten), png(rotten))
    assert verify_and_mark(store, keys, "r4")[1] == ["trees:v1"]
    refuse_broken(store, version)
    assert [(one.number, one.is_broken, one.damaged, one.found_by) for one in history(store, "trees", "v1")] == [
        (1, True, 1, "r2"), (2, False, 0, "r4"),
    ]  # fmt: skip


def test_rot_of_an_adopted_object_stays_marked_until_it_is_mended(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put_adopted(store, A, B)
    rotten = max(A, B, key=key_of)  # the sample is the other
    store.write(f"inbox/{rotten}", flip(png(rotten)))
    keys = version_keys(store)
    assert found(verify_and_mark(store, keys, "r1")[0]) == {"old:v1": [(rotten, "changed")]}
    # from now on the listing says that all adopted objects are as they were
    monkeypatch.setattr(verifying, "listed_unchanged", lambda adopted, wanted: np.ones(len(wanted.names), bool))
    monkeypatch.setattr(verifying, "SAMPLE", 1)
    assert found(verify_and_mark(store, keys, "r2")[0]) == {"old:v1": [(rotten, "changed")]}
    store.write(f"inbox/{rotten}", png(rotten))
    assert verify_and_mark(store, keys, "r3")[1] == ["old:v1"]


def test_a_marked_version_is_refused_by_the_marks_name_unless_forced(opened: Opened) -> None:
    store = opened("file")
    version = put(store, A, B)
    other = put(store, B, name="other")
    store.delete(key_of(A))
    verify_and_mark(store, version_keys(store), "runs/storage_audit/r1/audit_storage")
    says = r"trees:v1 is marked as broken by .*/datasets/trees/broken/v1/1\.json: 1 damaged .*a\.png.*missing.*force_broken"
    with pytest.raises(BadInputError, match=says):
        refuse_broken(store, version, force=False)
    mark = refuse_broken(store, version, force=True)
    assert mark is not None
    assert mark.found_by == "runs/storage_audit/r1/audit_storage"
    assert refuse_broken(store, other, force=False) is None


def test_a_card_that_is_not_as_its_run_or_a_later_version_has_it_is_damaged(opened: Opened) -> None:
    store = opened("file")
    first = put(store, A)
    by = first.made_by
    store.write(f"runs/{by.dag_id}/{by.run_id}/{by.task_id}/card.json", first.to_bytes())
    assert found(everything(store)) == {}
    store.write(first.standing_address, first.model_copy(update={"classes": ("Bush",)}).to_bytes())
    assert found(everything(store)) == {"trees:v1": [("(card)", "changed")]}
    store.write(first.standing_address, first.to_bytes()[:-40])
    assert found(everything(store)) == {"trees:v1": [("(card)", "changed")]}
    other = put(store, B, name="other")
    noted = {"parents": ({"address": other.standing_address, "md5": md5_of(other.to_bytes())},)}
    child = put(store, B, name="child").model_dump() | {"version": "v2", "inputs": noted}
    store.write("datasets/child/v2.json", DatasetVersion.model_validate(child).to_bytes())
    assert "other:v1" not in found(everything(store))
    store.write(other.standing_address, other.to_bytes() + b"\n")
    assert found(everything(store))["other:v1"] == [("(card)", "changed")]


def test_a_card_that_is_gone_is_missed_where_an_alias_or_a_child_names_it(opened: Opened) -> None:
    store = opened("file")
    put(store, A)
    put(store, A, B)  # its parent is v1
    put(store, C, name="other")
    aliases.move(store, "other", "golden", "v1", "ann")
    store.delete("datasets/trees/v1.json")
    store.delete("datasets/other/v1.json")
    assert found(everything(store)) == {"trees:v1": [("(card)", "missing")], "other:v1": [("(card)", "missing")]}
    (other,) = [one for one in everything(store).broken if one.label == "other:v1"]
    assert other.aliases == ("golden",)


def test_a_size_other_than_the_tables_is_damage_although_the_name_fits(opened: Opened) -> None:
    from include.versions.keep.examine import judge

    assert judge("k", "a" * 32, 10, "a" * 32, 10) is None
    wrong = judge("k", "a" * 32, 10, "a" * 32, 11)
    assert wrong is not None
    assert (wrong.what, wrong.expected, wrong.got) == ("wrong size", "10 bytes", "11 bytes")


def test_listings_are_read_without_being_parsed() -> None:
    files = {CODED: "0" * 31 + "1", 'x", "md5": "' + "f" * 32 + '", "relpath": "y': "ab" * 16, "z": "00" * 16}
    listing = listing_bytes(files)
    assert sorted(unpack(listed(listing))) == sorted(files.values())
    assert dict(relpaths_of(listing, frozenset(files.values()))) == {md5: relpath for relpath, md5 in files.items()}


def test_names_that_end_in_zero_bytes_are_told_apart() -> None:
    md5s = ["ab" + "00" * 15, "ab" * 2 + "00" * 14, "00" * 16, "ff" * 16]
    some = Digests.of(pack(md5s), np.array([1, 2, 3, 4])) + Digests.of(pack(["ab" * 16, md5s[0]]))
    assert unpack(some.names) == sorted([*md5s, "ab" * 16])
    assert [md5 in some for md5 in (*md5s, "ab" * 16, "cd" * 16)] == [True] * 5 + [False]
    assert some.numbers.tolist() == [3, 1, 2, -1, 4]
