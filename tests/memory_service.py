"""A labelling service in memory: it lists, repeats, shuffles and dies as it is told. Its clock ticks with each change."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from include.errors import Unavailable
from include.labelling.items import Item, Labelled, Picture, Refused, Shape
from tests.dying_store import Killed

Box = tuple[float, float, float, float]


@dataclass
class Job:
    boxes: dict[str, list[Box]]  # by the seed of the picture
    state: str
    changed_at: datetime
    annotator: str = "ann"


@dataclass
class MemoryService:
    jobs: dict[str, Job] = field(default_factory=dict)
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    calls_left: int | None = None  # None: it does not die
    seed: int | None = None  # not None: pages come shuffled and twice
    calls: int = 0
    silent: set[int] = field(default_factory=set)  # seeds of pictures whose host does not answer

    def finish(self, job: str, boxes: dict[str, list[Box]], state: str = "completed") -> None:
        self.now += timedelta(seconds=1)
        self.jobs[job] = Job(boxes, state, self.now)

    def set_state(self, job: str, state: str) -> None:
        self.now += timedelta(seconds=1)
        self.jobs[job].state, self.jobs[job].changed_at = state, self.now

    def delete(self, job: str) -> None:
        del self.jobs[job]

    def _call(self) -> None:
        self.calls += 1
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                raise Killed

    async def items(self, since: datetime | None) -> AsyncIterator[Item]:
        self._call()
        found = [(name, job) for name, job in self.jobs.items() if since is None or job.changed_at >= since]
        if self.seed is not None:
            found = random.Random(self.seed).sample(found * 2, len(found) * 2)
        for name, job in found:
            status: Any = {"completed": "finished", "cancelled": "skipped"}.get(job.state, "waiting")
            yield Item(name, job.changed_at.isoformat(), status, job.state, job.changed_at, len(job.boxes))

    async def existing(self) -> frozenset[str]:
        self._call()
        return frozenset(self.jobs)

    async def fetch(self, item: Item) -> Labelled:
        self._call()
        if item.id not in self.jobs:
            raise FileNotFoundError(item.id)
        job = self.jobs[item.id]
        if job.boxes.get("unreadable"):
            raise Refused("got nonsense, expected labels")
        pictures = tuple(
            Picture(f"{seed}.png", tuple(self._shape(item, job, n, box) for n, box in enumerate(boxes)), int(seed), None, 64, 48)
            for seed, boxes in job.boxes.items()
        )
        return Labelled(json.dumps(job.boxes).encode(), pictures)

    def _shape(self, item: Item, job: Job, number: int, box: Box) -> Shape:
        return Shape("box", "Tree", box, "{}", annotation_id=str(number), annotator=job.annotator, job=item.id)

    async def image(self, picture_: Picture) -> bytes:
        self._call()
        if picture_.address in self.silent:
            raise Unavailable(f"https://dead.example/{picture_.name}: ConnectError; asked for 180 s")
        if picture_.address == 404:
            raise FileNotFoundError("no such image")
        from tests.deliveries import picture  # not everywhere is Pillow

        return picture(picture_.address)
