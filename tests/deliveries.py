"""Deliveries as a labelling team puts them into a bucket: pictures with COCO boxes."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image


def picture(seed: int, width_px: int = 64, height_px: int = 48) -> bytes:
    """A PNG whose bytes differ by seed."""
    image = Image.new("RGB", (width_px, height_px), (seed % 256, seed // 256 % 256, 7))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def image(id: Any, file_name: Any, width: Any = 64, height: Any = 48, **more: Any) -> dict[str, Any]:
    return {"id": id, "file_name": file_name, "width": width, "height": height, **more}


def box(id: Any, image_id: Any, bbox: Any = (4, 4, 20, 16), category_id: Any = 1, **more: Any) -> dict[str, Any]:
    return {"id": id, "image_id": image_id, "category_id": category_id, "bbox": bbox, **more}


def coco(images: list[Any], annotations: list[Any], classes: tuple[str, ...] = ("Tree",)) -> dict[str, Any]:
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def deliver(
    store: Path, name: str, labels: dict[str, Any] | bytes, files: Mapping[str, bytes], inbox: str = "inbox/trees"
) -> Path:
    """Put the files, then annotations.json: its presence says that the delivery is complete."""
    folder = store / inbox / name
    for file_name, data in files.items():
        (folder / file_name).parent.mkdir(parents=True, exist_ok=True)
        (folder / file_name).write_bytes(data)
    folder.mkdir(parents=True, exist_ok=True)
    data = labels if isinstance(labels, bytes) else json.dumps(labels).encode()
    (folder / "annotations.json").write_bytes(data)
    return folder


def deliver_pictures(store: Path, name: str, seeds: list[int], groups: Mapping[int, str] | None = None) -> Path:
    """One picture with one sound box per seed; `groups` by seed."""
    images = [image(seed, f"{seed}.png", **({"group": groups[seed]} if groups and seed in groups else {})) for seed in seeds]
    labels = coco(images, [box(seed, seed) for seed in seeds])
    return deliver(store, name, labels, {f"{seed}.png": picture(seed) for seed in seeds})
