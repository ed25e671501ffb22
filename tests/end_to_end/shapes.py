"""A tiny labelled world: red squares and blue discs on grey, 12 pictures of 96 × 96 px, drawn from a seed."""

from __future__ import annotations

import io
import json
import random

from PIL import Image, ImageDraw

from include.storage import Store

SIDE_PX = 96
SOURCE = """
owner: labelling-lead
kind: coco
prefix: inbox/shapes
poll_every_s: 2
validate_annotations:
  classes: {square: square, disc: disc}
  gates: [{rules: [known_class], max_share: 0.5, min_rows: 10}]
"""
DATASET = """
owner: vision-team
sources: [shapes]
classes: [square, disc]
"""
MODEL = """
owner: vision-team
dataset: shapes
train_detector: {family: centerpoint, epochs: %d, image_px: 96, batch_size: 4}
promote_model: {min_ap50: 0.0}
"""
ALERTING = """
owner: vision-team
urls_in: VISIONLOOP_ALERT_URLS
"""


def picture(seed: int) -> tuple[bytes, list[dict[str, object]]]:
    """A PNG and its COCO annotations (without ids): two or three shapes, 16 to 32 px wide, one per quarter of the picture."""
    chance = random.Random(seed)
    image = Image.new("RGB", (SIDE_PX, SIDE_PX), (chance.randrange(90, 140),) * 3)
    draw, boxes = ImageDraw.Draw(image), []
    for quarter in chance.sample(range(4), chance.choice((2, 3))):
        side, category = chance.randrange(16, 33), chance.choice((1, 2))
        x, y = (quarter % 2) * 48 + chance.randrange(48 - side + 1), (quarter // 2) * 48 + chance.randrange(48 - side + 1)
        shape = draw.rectangle if category == 1 else draw.ellipse
        shape((x, y, x + side - 1, y + side - 1), fill=(220, 30, 30) if category == 1 else (30, 30, 220))
        boxes.append({"category_id": category, "bbox": [x, y, side, side], "area": side * side, "iscrowd": 0})
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue(), boxes


def deliver(store: Store, name: str, first_seed: int, images: int = 12, classes: tuple[str, str] = ("square", "disc")) -> None:
    """Put a delivery into inbox/shapes/<name>; its annotation file comes last."""
    content: dict[str, list[dict[str, object]]] = {"images": [], "annotations": []}
    for number in range(images):
        data, boxes = picture(first_seed + number)
        file_name = f"images/{number:03d}.png"
        store.write(f"inbox/shapes/{name}/{file_name}", data)
        size = {"width": SIDE_PX, "height": SIDE_PX}
        # groups whose hash puts both a training and a test share into every delivery
        content["images"].append({"id": number, "file_name": file_name, "group": f"site-{number % 12}", **size})
        for box in boxes:
            content["annotations"].append({"id": len(content["annotations"]) + 1, "image_id": number, **box})
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, 1)]
    store.write(f"inbox/shapes/{name}/annotations.json", json.dumps({**content, "categories": categories}).encode())
