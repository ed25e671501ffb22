from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter

from include.errors import BadInputError
from include.step.by_hand import step_by_hand
from include.storage import ContentStore, Store, open_store
from include.versions.alike import close_hashes, duplicates
from include.versions.alike.close_hashes import close_pairs
from include.versions.alike.duplicates import NearDuplicates, keep_apart
from include.versions.alike.fingerprints import FLAT, as_numbers, looks
from include.versions.contents import Contents
from include.versions.derive import DeriveDataset, derive
from tests.end_to_end import shapes
from tests.versions import put_version


def scene(seed: int) -> Image.Image:
    """Soft blobs of colour: what is on it follows from the seed."""
    noise = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((240, 180), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def bits_apart(one: bytes, other: bytes) -> int:
    a, b = as_numbers([looks(one).phash, looks(other).phash])
    return int(np.bitwise_count(a ^ b))


SAME: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg": lambda image: encoded(image, "JPEG", quality=30),
    "half the size": lambda image: encoded(image.resize((120, 90))),
    "brighter": lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.15)),
    "blurred": lambda image: encoded(image.filter(ImageFilter.GaussianBlur(2))),
    "a pixel less": lambda image: encoded(image.crop((1, 1, 240, 180))),
}


@pytest.mark.parametrize("how", SAME, ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_same_scene_stored_otherwise_has_a_close_hash(seed: int, how: str) -> None:
    assert bits_apart(encoded(scene(seed)), SAME[how](scene(seed))) <= 6


def test_different_scenes_have_hashes_far_apart() -> None:
    hashes = as_numbers([looks(encoded(scene(seed))).phash for seed in range(40)])
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None, :])[np.triu_indices(40, 1)]
    assert apart.min() > 6
    assert 30 < apart.mean() < 34


@pytest.mark.parametrize(
    "data",
    [encoded(Image.new("RGB", (64, 48), (9, 120, 7))), b"no picture", b"", encoded(scene(0))[:-4000]],
    ids=["one colour", "no picture", "empty", "cut off"],
)
def test_what_looks_like_nothing_is_like_nothing(data: bytes) -> None:
    assert looks(data).phash == FLAT


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16", "1", "CMYK", "F"])
def test_any_pixel_format_has_a_hash(mode: str) -> None:
    grey = scene(1).convert("L")
    image = Image.fromarray(np.asarray(grey, np.uint16) * 256) if mode == "I;16" else grey.convert(mode)
    assert looks(encoded(image, "TIFF")).phash != FLAT


def many_hashes() -> tuple[list[int], list[int]]:
    """Two lists with many close pairs, whole runs of equal quarters among them."""
    chance = np.random.default_rng(0)
    base = [int(one) for one in chance.integers(0, 2**63, 40, dtype=np.uint64)]
    near = [
        one ^ sum(1 << int(bit) for bit in chance.choice(64, int(chance.integers(0, 14)), replace=False))
        for one in base for _ in range(4)
    ]  # fmt: skip
    return base + [base[0]] * 5, near


@pytest.mark.parametrize("bits", [0, 3, 4, 6, 7, 8, 11])
@pytest.mark.parametrize("at_once", [1, 7, 2_000_000])
def test_close_pairs_are_those_that_a_loop_finds(bits: int, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(close_hashes, "AT_ONCE", at_once)
    ones, others = many_hashes()
    expected = [
        (i, j, apart) for i, one in enumerate(ones) for j, other in enumerate(others)
        if (apart := (one ^ other).bit_count()) <= bits
    ]  # fmt: skip
    blocks = close_pairs(np.array(ones, np.uint64), np.array(others, np.uint64), bits)
    found = [pair for block in blocks for pair in zip(*(column.tolist() for column in block), strict=True)]
    assert len(expected) >= 5
    assert sorted(found) == expected


@settings(max_examples=40)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=12), st.lists(st.integers(0, 63), max_size=6))
def test_a_hash_with_up_to_six_bits_changed_is_always_found(hashes: list[int], changed: list[int]) -> None:
    for value in hashes:
        other = value ^ sum(1 << bit for bit in set(changed))
        blocks = close_pairs(np.array(hashes, np.uint64), np.array([other], np.uint64), 6)
        assert value in {hashes[at] for ones, _, _ in blocks for at in ones}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}")


LEAK: list[dict[str, Any]] = [
    {"relpath": "a.png", "data": encoded(scene(1)), "group": "g1"},
    {"relpath": "b.jpg", "data": encoded(scene(1), "JPEG", quality=50), "group": "g2", "split": "test"},
]


def leaky(store: Store, **same: Any) -> Any:
    """a.png, a train picture, is b.jpg, a test picture, stored again; c.png is another."""
    images = [LEAK[0], LEAK[1] | same, {"relpath": "c.png", "data": encoded(scene(2)), "group": "g3"}]
    return put_version(store, "trees", ("Tree",), images, [])


def step(store: Store, do: dict[str, Any], parent: str = "trees:v1", **settings: Any) -> Any:
    config = DeriveDataset.model_validate({"name": "trees", "do": do, "near_duplicates": settings})
    return step_by_hand("derive_dataset", config, store, {"parents": f"dataset://{parent}"})


def without(path: str) -> dict[str, Any]:
    return {"operation": "exclude", "where": [{"column": "relpath", "value": path}]}


def test_a_leak_blocks_the_version_and_is_shown(store: Store) -> None:
    leaky(store)
    run = step(store, without("c.png"))
    with pytest.raises(
        BadInputError, match=r"1 pair of .*: a\.png \(train, group g1\) and b\.jpg \(test, group g2\)\. .*same group"
    ):
        derive(run)
    assert not store.exists("datasets/trees/v2.json")
    page = store.read(f"{run.output}/near_duplicates.html").decode()
    assert page.count("<img ") == 2
    assert "No version was published." in page
    assert "a.png" in page


def test_one_of_the_pair_left_out_is_the_way_out(store: Store) -> None:
    leaky(store)
    run = step(store, without("b.jpg"))
    made = derive(run)  # one split is left: nothing to compare, nothing read
    contents = Contents.read(ContentStore(store), made)
    assert contents.images["phash"].isna().all()
    assert "No picture lies in two splits" in store.read(f"{run.output}/near_duplicates.html").decode()


@pytest.mark.parametrize(
    ("settings", "counted"),
    [({"action": "report"}, {"pairs_alike_in_different_splits": 1}), ({"action": "off"}, {}), ({"max_difference": 0}, {})],
    ids=["report", "off", "no difference allowed"],
)
def test_a_dataset_can_be_told_otherwise_and_its_card_tells(
    store: Store, settings: dict[str, Any], counted: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    leaky(store)
    made = derive(step(store, without("c.png"), **settings))
    assert made.version == "v2"
    assert made.counts == {"images_left_out": 1, "annotations_left_out": 0} | counted
    assert made.config["near_duplicates"]["action"] == settings.get("action", "block")
    assert ("look the same lie" in caplog.text) == bool(counted)


def test_what_was_accepted_once_blocks_again_without_the_permission(store: Store) -> None:
    leaky(store)
    derive(step(store, without("c.png"), action="report"))
    put_version(store, "trees", ("Tree",), [*LEAK, {"relpath": "e.png"}], [])
    with pytest.raises(BadInputError, match="1 pair "):
        derive(step(store, without("e.png"), parent="trees:v3"))


def test_same_split_is_no_leak(store: Store) -> None:
    leaky(store, split="train")
    assert derive(step(store, without("c.png"))).version == "v2"


def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is decoded from now on, to be hashed or compared."""
    read: list[bytes] = []
    for name in ("looks", "thumbnail"):
        real = getattr(duplicates, name)
        monkeypatch.setattr(duplicates, name, lambda data, real=real: read.append(data) or real(data))
    return read


def test_a_version_decodes_only_what_no_version_before_it_had(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    leaky(store)
    known = derive(step(store, without("c.png"), action="report"))
    held = Contents.read(ContentStore(store), known)
    assert held.images["phash"].map(len).tolist() == [16, 16]
    read = decoded(monkeypatch)
    new = encoded(scene(3))
    fresh = put_version(store, "other", ("Tree",), [*LEAK, {"relpath": "new.png", "data": new}], [])
    contents = Contents.read(ContentStore(store), fresh)  # as an import makes it: no row has a hash
    again, counts = keep_apart(step(store, without("x")), contents, NearDuplicates(action="report"), [known])
    assert again.images.set_index("relpath")["phash"][["a.png", "b.jpg"]].tolist() == held.images["phash"].tolist()
    assert read.count(new) == 1
    assert counts == {"pairs_alike_in_different_splits": 1}


def test_what_was_found_apart_is_not_compared_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [{"relpath": "a.png"}, {"relpath": "b.png", "split": "test"}, {"relpath": "c.png"}]
    put_version(store, "trees", ("Tree",), images, [])
    clean = derive(step(store, without("c.png")))
    asked: list[int] = []
    real = duplicates.close_pairs
    monkeypatch.setattr(
        duplicates, "close_pairs", lambda one, other, bits: asked.append(len(one) * len(other)) or real(one, other, bits)
    )
    contents = Contents.read(ContentStore(store), clean)
    keep_apart(step(store, without("x")), contents, NearDuplicates(), [clean])
    assert sum(asked) == 0
    keep_apart(step(store, without("x")), contents, NearDuplicates(max_distance=7), [clean])  # stricter than it was
    assert sum(asked) == 1


def test_that_images_were_hashed_is_not_a_new_version(store: Store) -> None:
    from include.errors import NothingToDo

    images = [{"relpath": "a.png"}, {"relpath": "b.png", "split": "test"}]
    put_version(store, "trees", ("Tree",), images, [])
    with pytest.raises(NothingToDo, match="exclude changed nothing: trees:v1"):
        derive(step(store, without("nowhere.png")))


def test_a_version_made_before_there_were_hashes_can_be_derived_from(store: Store) -> None:
    import pyarrow as pa

    from include.artifacts.tables import from_parquet

    content = ContentStore(store)
    version = put_version(store, "trees", ("Tree",), [{"relpath": "a.png"}, {"relpath": "b.png", "split": "test"}], [])
    images, annotations = (from_parquet(content.get(md5)) for md5 in (version.images_table, version.annotations_table))
    old: pa.Table = images.drop_columns(["phash"])
    assert Contents.of_version(old, annotations, ("Tree",)).images["phash"].tolist() == [None, None]


def test_drawn_shapes_of_the_end_to_end_loop_raise_no_alarm(store: Store) -> None:
    """Grey with two or three shapes: hashes alone would call some of them the same."""
    images = [
        {"relpath": f"{day}/{number}.png", "data": shapes.picture(day + number)[0], "split": ("train", "val", "test")[number % 3]}
        for day in (0, 100, 200) for number in range(12)
    ]  # fmt: skip
    put_version(store, "trees", ("square", "disc"), images, [])
    assert derive(step(store, without("0/0.png"))).version == "v2"


def test_files_of_the_same_bytes_stated_in_two_splits_block_an_import(store: Store, tmp_path: Path) -> None:
    from include.versions.import_folder import ImportDataset, import_folder

    folder = tmp_path / "folder"
    for path, seed in {"train/a": 1, "train/c": 2, "val/b": 1}.items():
        for file, data in ((f"images/{path}.png", encoded(scene(seed))), (f"labels/{path}.txt", b"0 0.5 0.5 0.2 0.2\n")):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(data)
    (folder / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [Tree]\n")

    def run(action: str) -> Any:
        do = {"folder": str(folder), "format": "yolo"}
        config = ImportDataset.model_validate({"name": "field", "do": do, "near_duplicates": {"action": action}})
        return step_by_hand("derive_dataset", config, store, {"parents": ""})

    blocked = run("block")
    said = r"1 pair of .*: images/train/a\.png \(train, .*\) and images/val/b\.png \(val, no group"
    with pytest.raises(BadInputError, match=said):
        import_folder(blocked)
    page = store.read(f"{blocked.output}/near_duplicates.html").decode()
    assert "the same bytes" in page
    assert page.count("<img ") == 2
    made = import_folder(run("report"))
    assert made.counts["pairs_alike_in_different_splits"] == 1
