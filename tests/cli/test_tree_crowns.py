from __future__ import annotations

import hashlib
import io
import json
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from cli import tree_crowns

SIZES_PX = {"YELL_541": (400, 600), "OSBS_029": (384, 384), "YELL_528": (400, 1600), "SOAP_061": (384, 384)}


def voc(boxes: list[tuple[str, int, int, int, int]]) -> str:
    rows = (
        f"<object><name>{name}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
        for name, x0, y0, x1, y1 in boxes
    )
    return f"<annotation>{''.join(rows)}</annotation>"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the real one is laid out, with noise for pictures."""
    path = tmp_path_factory.mktemp("wheel") / "deepforest-2.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for number, picture in enumerate(tree_crowns.PICTURES):
            width, height = SIZES_PX[picture.name]
            noise = np.random.default_rng(number).integers(0, 255, (height, width, 3), dtype=np.uint8)
            out = io.BytesIO()
            Image.fromarray(noise).save(out, "PNG")
            archive.writestr(f"deepforest/data/{picture.file}.png", out.getvalue())
            name = "Dead" if picture.name == "SOAP_061" else "Tree"
            # the second lies across a tile's edge at x 192…200
            archive.writestr(f"deepforest/data/{picture.file}.xml", voc([(name, 10, 20, 50, 70), (name, 180, 20, 280, 60)]))
    return path


def documents(folder: Path, wheel: Path) -> list[dict[str, list[dict[str, object]]]]:
    return [json.loads((delivery / "annotations.json").read_text()) for delivery in tree_crowns.write_deliveries(folder, wheel)]


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(path.relative_to(folder)).encode() + path.read_bytes() for path in files)).hexdigest()


def test_deliveries_are_the_same_bytes_every_time(tmp_path: Path, wheel: Path) -> None:
    for name in ("one", "two"):
        folders = tree_crowns.write_deliveries(tmp_path / name, wheel)
        assert [folder.name for folder in folders] == ["batch-1", "batch-2"]
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


def test_no_tile_or_group_is_in_both_deliveries_and_tiles_do_not_overlap(wheel: Path) -> None:
    tiles = tree_crowns.read_tiles(wheel)
    assert len({tile.file_name for tile in tiles}) == len(tiles)
    groups = [{tile.group for tile in tiles if tile.batch == batch} for batch in (1, 2)]
    assert groups[0]
    assert groups[1]
    assert not groups[0] & groups[1]
    for name, (width, height) in SIZES_PX.items():
        mine = [tile for tile in tiles if tile.group.startswith(name)]
        assert sum(tile.image.width * tile.image.height for tile in mine) == width * height


def test_crown_across_an_edge_is_clipped_or_left_out() -> None:
    # 100 px wide, from 180 to 280: a fifth lies left of 200
    crowns: list[tuple[str, tree_crowns.Box]] = [("Tree", (180, 20, 280, 60))]
    assert list(tree_crowns.clipped(crowns, (0, 0, 200, 200))) == []
    assert list(tree_crowns.clipped(crowns, (200, 0, 400, 200))) == [("Tree", (0, 20, 80, 60))]


def test_every_label_lies_in_its_image_but_the_flaws(tmp_path: Path, wheel: Path) -> None:
    for number, document in enumerate(documents(tmp_path, wheel), 1):
        sizes = {image["id"]: (image["width"], image["height"]) for image in document["images"]}
        flaws = 0
        seen: set[str] = set()
        for one in document["annotations"]:
            (x, y, width, height), size = one["bbox"], sizes[one["image_id"]]  # type: ignore[misc, index]
            inside = 0 <= x < x + width <= size[0] and 0 <= y < y + height <= size[1]  # type: ignore[has-type]
            key = json.dumps([one["image_id"], one["bbox"]])
            flaws += not inside or one["category_id"] == 99 or key in seen
            seen.add(key)
        assert flaws == (4 if number == 2 else 0)


def test_second_delivery_has_one_picture_cut_off_half_way(tmp_path: Path, wheel: Path) -> None:
    documents(tmp_path, wheel)
    unreadable = []
    for path in sorted(tmp_path.glob("batch-*/images/*.png")):
        try:
            with Image.open(path) as image:
                image.load()
        except (OSError, UnidentifiedImageError):
            unreadable.append(path.name)
    assert unreadable == ["demo_flaw_truncated.png"]


def test_download_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "WARNING: retrying\nERROR: No matching distribution found\n")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(RuntimeError, match=r"could not download deepforest==2\.1\.0.*ERROR: No matching distribution"):
        tree_crowns.fetch_wheel(tmp_path)


def test_wheel_that_is_there_is_not_downloaded_again(tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", None)
    assert tree_crowns.fetch_wheel(wheel.parent) == wheel
