"""Servers shaped as Label Studio and CVAT, filled with boxes, for benchmarks/ingest_labels_from_services.py.

In Label Studio an image is a task, in CVAT jobs have ten. The work was done over days: a minute or two for each.

    .venv/data/bin/python -m benchmarks.label_services.server cvat 5000
"""

from __future__ import annotations

import io
import json
import random
import sys
from datetime import timedelta
from typing import Any

from PIL import Image

from tests.cvat_server import Cvat
from tests.hosted_servers.serving import Answer, Request, Service, serving
from tests.label_studio_shaped import LabelStudio

BOXES, FRAMES, CHANGED = 20, 10, 0.01


def boxes(chance: random.Random) -> list[tuple[float, float, float, float]]:
    """Percent of the image, and so its pixels."""
    return [(round(chance.uniform(0, 80), 2), round(chance.uniform(0, 80), 2), 10.0, 12.5) for _ in range(BOXES)]


def png(number: int) -> bytes:
    """Another each."""
    data = io.BytesIO()
    Image.new("RGB", (100, 100), (number % 256, number // 256, 0)).save(data, "PNG")
    return data.getvalue()


class Counting(Service):
    """Adds up what it sends."""

    sent = 0

    def _answered(self, request: Request) -> Answer:
        said = super()._answered(request)
        self.sent += len(said.body)
        return said


class Tasks(Counting, LabelStudio):
    """Label Studio: an image each."""

    secret = Service.token

    def fill(self, images: int) -> None:
        chance = random.Random(7)
        for number in range(images):
            self.task(png(number), boxes(chance))

    def change(self, share: float) -> None:
        for number in random.Random(8).sample(sorted(self.tasks), int(len(self.tasks) * share)):
            self.touch(number)


class Jobs(Counting, Cvat):
    """CVAT: FRAMES images each."""

    secret = "pat.secret"

    def fill(self, images: int) -> None:
        chance = random.Random(7)
        for first in range(0, images, FRAMES):
            shapes = [self._shape(frame, position, box) for frame in range(FRAMES) for position, box in enumerate(boxes(chance))]
            names = tuple(f"{first + frame:06d}.png" for frame in range(FRAMES))
            job = self.job(names, shapes=shapes, stage="acceptance", state="completed")
            self.files |= {(job, frame): png(first + frame) for frame in range(FRAMES)}

    def _shape(self, frame: int, position: int, box: tuple[float, float, float, float]) -> dict[str, Any]:
        x, y, width, height = box
        return {
            "id": frame * BOXES + position, "type": "rectangle", "label_id": 7, "frame": frame, "group": 0,
            "points": [x, y, x + width, y + height], "rotation": 0.0, "occluded": False, "outside": False,
            "z_order": 0, "source": "manual", "attributes": [],
        }  # fmt: skip

    def change(self, share: float) -> None:  # type: ignore[override]
        for number in random.Random(8).sample(sorted(self.jobs), int(len(self.jobs) * share)):
            super().change(number, drawn=None)

    def _stamp(self) -> str:
        self.now += timedelta(minutes=FRAMES / 2)  # made and changed: two for each job
        return super()._stamp()


SERVICES: dict[str, type[Tasks] | type[Jobs]] = {"label_studio": Tasks, "cvat": Jobs}


def serve(kind: str, images: int) -> None:
    """Says its address, and then, to each line on stdin, how many requests and bytes there were since."""
    service: Tasks | Jobs = SERVICES[kind]()
    service.fill(images)
    with serving(service):
        print(service.url, flush=True)
        for line in sys.stdin:
            if line.strip() == "change":
                service.change(CHANGED)
            print(json.dumps([len(service.asked), service.sent]), flush=True)
            service.asked.clear()
            service.sent = 0


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
