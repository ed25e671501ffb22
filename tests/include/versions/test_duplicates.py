from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from include.errors import BadInputError
from include.step.by_hand import step_by_hand
from include.storage import ContentStore, Store, open_store
from include.versions import duplicates
from include.versions.contents import Contents
from include.versions.derive import DeriveDataset, derive
from include.versions.duplicates import NearDuplicates, close_hashes, keep_apart
from include.versions.fingerprints import FLAT, as_numbers, fingerprint
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
    a, b = as_numbers([fingerprint(one), fingerprint(other)])
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
    hashes = as_numbers([fingerprint(encoded(scene(seed))) for seed in range(40)])
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None, :])[np.triu_indices(40, 1)]
    assert apart.min() > 6
    assert 30 < apart.mean() < 34


@pytest.mark.parametrize(
    "data",
    [encoded(Image.new("RGB", (64, 48), (9, 120, 7))), b"no picture", b"", encoded(scene(0))[:-4000]],
    ids=["one colour", "no picture", "empty", "cut off"],
)
def test_what_looks_like_nothing_is_like_nothing(data: bytes) -> None:
    assert fingerprint(data) == FLAT


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16", "1", "CMYK", "F"])
def test_any_pixel_format_has_a_hash(mode: str) -> None:
    grey = scene(1).convert("L")
    image = Image.fromarray(np.asarray(grey, np.uint16) * 256) if mode == "I;16" else grey.convert(mode)
    assert fingerprint(encoded(image, "TIFF")) != FLAT


def test_close_hashes_are_those_that_a_loop_finds() -> None:
    chance = np.random.default_rng(0)
    base = chance.integers(0, 2**63, 30, dtype=np.uint64)
    near = [
        int(one) ^ sum(1 << int(bit) for bit in chance.choice(64, int(chance.integers(0, 12)), replace=False)) for one in base
    ]
    hashes = [f"{value:016x}" for value in [*map(int, base), *near]] + [FLAT] * 3
    splits = chance.choice(["train", "val", "test"], len(hashes))
    images = pd.DataFrame({"phash": hashes, "split": splits})
    expected = {
        (i, j) for i in range(60) for j in range(i + 1, 60)
        if splits[i] != splits[j] and (int(hashes[i], 16) ^ int(hashes[j], 16)).bit_count() <= 6
    }  # fmt: skip
    assert expected
    assert {(one, other) for one, other, _ in close_hashes(images, 6)} == expected


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}")


def leaky(store: Store, **same: Any) -> Any:
    """a.png, a train picture, is b.jpg, a test picture, stored again; c.png is another."""
    images = [
        {"relpath": "a.png", "data": encoded(scene(1)), "group": "g1"},
        {"relpath": "b.jpg", "data": encoded(scene(1), "JPEG", quality=50), "group": "g2", "split": "test", **same},
        {"relpath": "c.png", "data": encoded(scene(2)), "group": "g3"},
    ]
    return put_version(store, "trees", ("Tree",), images, [])


def step(store: Store, do: dict[str, Any], **settings: Any) -> Any:
    config = DeriveDataset.model_validate({"name": "trees", "do": do, "near_duplicates": settings})
    return step_by_hand("derive_dataset", config, store, {"parents": "dataset://trees:v1"})


def without(path: str) -> dict[str, Any]:
    return {"operation": "exclude", "where": [{"column": "relpath", "value": path}]}


def test_a_leak_blocks_the_version_and_is_shown(store: Store) -> None:
    leaky(store)
    run = step(store, without("c.png"))
    with pytest.raises(
        BadInputError, match=r"1 pairs .*: a\.png \(train, group g1\) and b\.jpg \(test, group g2\)\. .*same group"
    ):
        derive(run)
    assert not store.exists("datasets/trees/v2.json")
    page = store.read(f"{run.output}/report.html").decode()
    assert page.count("<img ") == 2
    assert "a.png" in page


def test_one_of_the_pair_left_out_is_the_way_out_and_hashes_are_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    leaky(store)
    made = derive(step(store, without("b.jpg"), action="warn"))  # one split is left: nothing to compare, nothing read
    contents = Contents.read(ContentStore(store), made)
    assert contents.images["phash"].isna().all()


@pytest.mark.parametrize(
    "settings", [{"action": "warn"}, {"action": "off"}, {"max_difference": 0}], ids=["warn", "off", "no difference allowed"]
)
def test_a_dataset_can_be_told_otherwise(store: Store, settings: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    leaky(store)
    assert derive(step(store, without("c.png"), **settings)).version == "v2"
    assert ("look the same" in caplog.text) == (settings.get("action") == "warn")


def test_same_split_is_no_leak(store: Store) -> None:
    leaky(store, split="train")
    assert derive(step(store, without("c.png"))).version == "v2"


def test_hashes_are_carried_and_only_new_images_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    content = ContentStore(store)
    version = leaky(store)
    contents = Contents.read(content, version)
    run = step(store, without("c.png"), action="warn")
    hashed = keep_apart(run, contents, NearDuplicates(action="warn"))
    assert hashed.images["phash"].map(len).tolist() == [16, 16, 16]
    read: list[str] = []
    monkeypatch.setattr(duplicates, "fingerprint", lambda data: read.append(data) or FLAT)
    again = keep_apart(run, hashed, NearDuplicates(action="warn"))
    assert again.images["phash"].tolist() == hashed.images["phash"].tolist()
    assert read == []


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
