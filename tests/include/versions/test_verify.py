from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import obstore
import pytest

from include.artifacts import DatasetVersion
from include.errors import BadInputError
from include.storage import Store
from include.storage.content import content_key, md5_of
from include.versions import aliases
from include.versions.broken import history, mark_of, refuse_broken, verify_and_mark
from include.versions.digests import Digests, listed, pack, relpaths_of, unpack
from include.versions.inventory import SAMPLE, take_inventory
from include.versions.listing import listing_bytes
from include.versions.verify import Verified, verify, version_keys
from tests.versions import png, put_version

Opened = Callable[[str], Store]
A, B, C = (f"images/{name}.png" for name in "abc")
CODED = 'images/ä "md5": \\x.png'  # quotes, a backslash, an umlaut: as a listing's regular expression must survive


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
def test_a_multipart_upload_is_read_because_its_etag_is_no_md5(opened: Opened) -> None:
    store = opened("s3")
    data = np.random.default_rng(0).bytes(12 * 2**20)
    key = content_key(md5_of(data))
    obstore.put(store.backend, key, data, use_multipart=True, chunk_size=5 * 2**20)
    (entry,) = [entry for entry in store.list("files/md5") if entry.key == key]
    assert "-" in entry.etag
    inventory = take_inventory(store)
    wanted = Digests.of(pack([md5_of(data)]), np.array([len(data)]))
    assert not inventory.has_proof(wanted).any()


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
    from include.versions.examine import judge

    assert judge("a" * 32, 10, "a" * 32, 10) is None
    wrong = judge("a" * 32, 10, "a" * 32, 11)
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
