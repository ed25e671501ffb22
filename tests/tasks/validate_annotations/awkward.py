"""What lies beside the files of tests/cases/annotations/ when they are delivered: pictures, whole and broken, and archives."""

from __future__ import annotations

import io
import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path
from typing import Any

from PIL import Image

from tests.deliveries import picture

CASES = Path(__file__).parents[2] / "cases" / "annotations"
KINDS = ("coco", "yolo", "voc", "cvat_xml", "datumaro", "imagenet", "archives")
GOOD = b'{"images": [{"id": 1, "file_name": "1.png"}], "categories": [{"id": 1, "name": "Tree"}], "annotations": [%s]}'
GOOD %= b'{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10]}'


def folder_of(kind: str) -> Path:
    return CASES if kind == "coco" else CASES / kind


def names_of(kind: str) -> list[str]:
    return sorted(path.name.removesuffix(".expected.txt") for path in folder_of(kind).glob("*.expected.txt"))


def encoded(kind: str, seed: int, mode: str = "RGB", orientation: int | None = None, **how: Any) -> bytes:
    """64×48, as a file of the kind."""
    out, exif = io.BytesIO(), Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
        how["exif"] = exif
    Image.new("RGB", (64, 48), (seed % 256, 80, orientation or 0)).convert(mode).save(out, kind, **how)
    return out.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes that says that it has 50,000 × 50,000 pixels."""
    data = picture(0)
    header = b"IHDR" + struct.pack(">II", 50_000, 50_000) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def pictures(seed: int) -> dict[str, bytes]:
    one, two, three, four, five = (picture(10 * seed + number) for number in (1, 2, 3, 4, 5))
    shade = seed % 256
    return {
        "1.png": one, "2.png": two, "3.png": three, "copy_of_1.png": one, "truncated.png": picture(10 * seed + 6)[:-30],
        "text.png": b"no picture at all", "empty.png": b"", "turned.jpg": encoded("JPEG", seed, orientation=6),
    } | {
        "4.png": four, "5.png": five, "upside_down.jpg": encoded("JPEG", seed, orientation=3),
        "turned_otherwise.jpg": encoded("JPEG", seed, orientation=8),
        "cmyk.jpg": encoded("JPEG", seed, "CMYK"), "progressive.jpg": encoded("JPEG", seed, progressive=True),
        "cut.jpg": encoded("JPEG", seed)[:-20], "jpeg_named.png": encoded("JPEG", seed, quality=50),
        "palette.png": encoded("PNG", seed, "P"), "transparent.png": encoded("PNG", seed, "RGBA"),
        "bilevel.png": encoded("PNG", seed, "1", comment="x") + bytes([shade, seed // 256]),
        "deep.png": deep(seed), "animated.gif": animated(seed), "bomb.png": bomb(),
        "turned.tif": encoded("TIFF", seed, orientation=6),
        "UPPER.PNG": picture(10 * seed + 7), "with space.png": picture(10 * seed + 8), "sub/folder/1.png": picture(10 * seed + 9),
        unicodedata.normalize("NFD", "bäume.png"): picture(10 * seed),
    }  # fmt: skip


def deep(seed: int) -> bytes:
    """16 bits of grey."""
    out = io.BytesIO()
    Image.new("I;16", (64, 48), 1000 + seed).save(out, "PNG")
    return out.getvalue()


def animated(seed: int) -> bytes:
    out = io.BytesIO()
    frames = [Image.new("RGB", (64, 48), (seed % 256, 0, blue)) for blue in (0, 200)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


def files_of(kind: str, name: str, seed: int) -> dict[str, bytes]:
    """All of a delivery, by path below it; of an archive, the archive itself."""
    beside, folder = pictures(seed), folder_of(kind)
    match kind:
        case "coco":
            return {**beside, "annotations.json": (folder / f"{name}.json").read_bytes()}
        case "yolo":
            yaml = folder / f"{name}.yaml"
            names = yaml.read_bytes() if yaml.exists() else b"names: [Tree, Dead]"
            labels = {"labels/1.txt": (folder / f"{name}.txt").read_bytes(), "labels/2.txt": b"0 .5 .5 .25 .25"}
            images = {f"images/{one}": beside[one] for one in ("1.png", "2.png")}
            return {**images, **labels, "data.yaml": names}
        case "voc":
            return {"Annotations/1.xml": (folder / f"{name}.xml").read_bytes(), "JPEGImages/1.png": beside["1.png"]}
        case "cvat_xml":
            images = {f"images/{one}": beside[one] for one in ("1.png", "2.png")}
            return images | {"annotations.xml": (folder / f"{name}.xml").read_bytes()}
        case "datumaro":
            images = {f"images/train/{one}": beside[one] for one in ("1.png", "2.png")}
            return images | {"annotations/train.json": (folder / f"{name}.json").read_bytes()}
    entries = [line.rsplit(" <- ", 1) for line in (folder / f"{name}.list").read_text().splitlines()]
    made = {"coco": GOOD, "zip": zipped([("1.png", beside["1.png"])])}
    found = [(entry.encode().decode("unicode_escape"), {**made, **beside}[content]) for entry, content in entries]
    return dict(found) if kind == "imagenet" else {f"{name}.zip": damaged(name, zipped(found))}


def zipped(entries: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, data in entries:
            made.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def damaged(name: str, data: bytes) -> bytes:
    """What a list of entries cannot say is in the name of the case."""
    if name == "cut_short":
        return data[:-60]
    if name == "encrypted":  # says so in both headers
        at = data.index(b"PK\1\2") + 8
        return data[:6] + bytes([data[6] | 1]) + data[7:at] + bytes([data[at] | 1]) + data[at + 1 :]
    return data
