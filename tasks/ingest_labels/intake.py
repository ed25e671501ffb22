"""Carry finished items from the source into the content store: their answers, their images, their rows."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from include.artifacts import Delivery
from include.errors import Unavailable
from include.labelling.connector import Connector
from include.labelling.items import Item, Labelled, Picture, Refused
from include.storage import ContentStore
from tasks.ingest_labels.rows import AnnotationTable, ImageTable, Row, image_row

log = logging.getLogger("ingest_labels")
LOG_EVERY_S = 30
AHEAD = 4  # items begun for each that may be fetched at once: one that is slow holds up few


@dataclass
class Intake:
    """What the items of one sweep brought, in the order of the items. `items`: without those that went away meanwhile.

    `left`: what could not be had now, and waits: an item is taken in with all its images or not at all.
    """

    images: ImageTable
    annotations: AnnotationTable
    items: list[Item] = field(default_factory=list)
    left: list[Item] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)


@dataclass(frozen=True)
class _Taken:
    labelled: Labelled | None
    images: list[Row]
    refused: Refused | None = None

    @property
    def original(self) -> bytes | None:
        came = self.refused or self.labelled
        return None if came is None else came.original


class Intaker:
    """Takes in items of one source, `parallel` items and images at once. Few items are in memory as objects at any time."""

    def __init__(self, content: ContentStore, connector: Connector, source: str, parallel: int) -> None:
        self.content, self.connector, self.source, self.parallel = content, connector, source, parallel
        self._slots, self._said, self._count = asyncio.Semaphore(parallel), time.monotonic(), 0

    async def take_in(self, items: Sequence[Item], is_service: bool) -> Intake:
        """Raises Unavailable if nothing of any of them can be had: nothing is written then that a reader would see."""
        gone = [item for item in items if item.status == "gone"]
        intake, bundle = Intake(ImageTable(), AnnotationTable(self.source)), Bundle() if is_service else None
        why: Unavailable | None = None
        async for item, one in self._answers([item for item in items if item.status != "gone"]):
            if isinstance(one, _Taken):
                self._add(intake, item, one, bundle)
            elif one is not None:
                intake.left.append(item)
                why = why or one
        if why is not None and not intake.items and not gone:
            raise Unavailable(f"none of {len(intake.left)} items could be taken in; {intake.left[0].id}: {why}")
        if bundle is not None:
            original = self.content.put(bundle.packed())
            intake.deliveries = [one.model_copy(update={"original": original}) for one in intake.deliveries]
        intake.items += gone
        intake.deliveries += [_delivery(item, is_gone=True) for item in gone]
        return intake

    async def _answers(self, items: Sequence[Item]) -> AsyncIterator[tuple[Item, _Taken | Unavailable | None]]:
        """In their order; few ahead of the one that is waited for, so that they need not all be remembered."""
        waiting: deque[tuple[Item, asyncio.Task[_Taken | Unavailable | None]]] = deque()
        try:
            for item in items:
                waiting.append((item, asyncio.create_task(self._one(item))))
                if len(waiting) >= AHEAD * self.parallel:
                    yield waiting[0][0], await waiting[0][1]
                    waiting.popleft()
            while waiting:
                yield waiting[0][0], await waiting[0][1]
                waiting.popleft()
        finally:
            for _, task in waiting:
                task.cancel()

    def _add(self, intake: Intake, item: Item, one: _Taken, bundle: Bundle | None) -> None:
        count = intake.annotations.add(item, one.labelled) if one.labelled else 0
        intake.images.add(one.images)
        intake.items.append(item)
        if bundle is not None:
            bundle.add(item, one.original)
        original = self.content.put(one.original) if bundle is None and one.original is not None else None
        said = {"sender": one.labelled.sender, "sent_at": one.labelled.sent_at} if one.labelled else {}
        intake.deliveries.append(
            _delivery(
                item, original=original, images=len(one.images), annotations=count, refused=one.refused and str(one.refused),
                problems=one.labelled.problems if one.labelled else (), **said,
            )
        )  # fmt: skip

    async def _one(self, item: Item) -> _Taken | Unavailable | None:
        """None for what went away since it was listed; Unavailable where a host did not answer, for all our patience."""
        try:
            async with self._slots:
                labelled = await self.connector.fetch(item)
            images = await self._images_of(item, labelled)
        except Refused as reason:
            log.error("%s: refused: %s", item.id, reason)
            return _Taken(None, [], reason)
        except FileNotFoundError:
            log.warning("%s: gone since it was listed; left out", item.id)
            return None
        except Unavailable as why:
            log.error("%s: left out of this batch, and waits for another: %s", item.id, why)
            return why
        for problem in labelled.problems[:5]:
            log.warning("%s: %s", item.id, problem)
        return _Taken(labelled, images)

    async def _images_of(self, item: Item, labelled: Labelled) -> list[Row]:
        tasks = [asyncio.create_task(self._image(item, picture)) for picture in labelled.pictures]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    async def _image(self, item: Item, picture: Picture) -> Row:
        row = image_row(self.source, item, picture)
        if picture.missing is not None:
            return row
        async with self._slots:
            try:
                data = await self.connector.image(picture)
            except FileNotFoundError as error:
                return row | {"missing": str(error) or "no such image"}
            row |= {"md5": await asyncio.to_thread(self.content.put, data), "size_bytes": len(data)}
        self._count += 1
        if time.monotonic() - self._said > LOG_EVERY_S:
            self._said = time.monotonic()
            log.info("%s: %d images so far", self.source, self._count)
        return row


class Bundle:
    """What a service answered, all items in one object: a hundred thousand small ones take minutes to write."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._lines = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=self._bytes, mtime=0)

    def add(self, item: Item, answer: bytes | None) -> None:
        if answer is not None:
            self._lines.write(json.dumps({"item": item.id, "answer": answer.decode("utf-8", "replace")}).encode() + b"\n")

    def packed(self) -> bytes:
        self._lines.close()
        return self._bytes.getvalue()


def _delivery(item: Item, **more: Any) -> Delivery:
    return Delivery(item=item.id, name=item.called, revision=item.revision, state=item.state, updated_at=item.updated_at, **more)
