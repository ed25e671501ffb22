"""Carry finished items from the source into the content store: their answers, their images, their rows."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from include.artifacts import Delivery
from include.errors import Unavailable
from include.labelling.connector import Connector
from include.labelling.items import Item, Labelled, Picture, Refused
from include.storage import ContentStore
from tasks.ingest_labels.rows import Row, annotation_rows, image_row

log = logging.getLogger("ingest_labels")
LOG_EVERY_S = 30


@dataclass
class Intake:
    """What the items of one sweep brought, in the order of the items. `items`: without those that went away meanwhile.

    `left`: what could not be had now, and waits: an item is taken in with all its images or not at all.
    """

    items: list[Item] = field(default_factory=list)
    left: list[Item] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    images: list[Row] = field(default_factory=list)
    annotations: list[Row] = field(default_factory=list)


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
    """Takes in items of one source, `parallel` items and images at once."""

    def __init__(self, content: ContentStore, connector: Connector, source: str, parallel: int) -> None:
        self.content, self.connector, self.source = content, connector, source
        self._slots, self._said, self._count = asyncio.Semaphore(parallel), time.monotonic(), 0

    async def take_in(self, items: Sequence[Item], is_service: bool) -> Intake:
        """Raises Unavailable if nothing of any of them can be had: nothing is written then that a reader would see."""
        gone = [item for item in items if item.status == "gone"]
        tasks = [(item, asyncio.create_task(self._one(item))) for item in items if item.status != "gone"]
        try:
            answers = [(item, await task) for item, task in tasks]
        finally:
            for _, task in tasks:
                task.cancel()
        taken = [(item, one) for item, one in answers if isinstance(one, _Taken)]
        failed = [(item, one) for item, one in answers if isinstance(one, Unavailable)]
        if failed and not taken and not gone:
            raise Unavailable(f"none of {len(failed)} items could be taken in; {failed[0][0].id}: {failed[0][1]}")
        bundle = self._bundle(taken) if is_service else None
        intake = Intake(items=[item for item, _ in taken] + gone, left=[item for item, _ in failed])
        for item, one in taken:
            annotations = list(annotation_rows(self.source, item, one.labelled)) if one.labelled else []
            intake.images += one.images
            intake.annotations += annotations
            original = bundle or (None if one.original is None else self.content.put(one.original))
            intake.deliveries.append(
                Delivery(
                    item=item.id, name=item.called, revision=item.revision, state=item.state,
                    updated_at=item.updated_at, original=original, images=len(one.images), annotations=len(annotations),
                    refused=one.refused and str(one.refused), problems=one.labelled.problems if one.labelled else (),
                )
            )  # fmt: skip
        intake.deliveries += [
            Delivery(
                item=item.id, name=item.called, revision=item.revision, state=item.state, updated_at=item.updated_at, is_gone=True
            )
            for item in gone
        ]
        return intake

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

    def _bundle(self, taken: Sequence[tuple[Item, _Taken]]) -> str:
        """What the service answered, all items in one object: a hundred thousand small ones take minutes to write."""
        lines = [
            json.dumps({"item": item.id, "answer": one.original.decode("utf-8", "replace")}).encode()
            for item, one in taken
            if one.original is not None
        ]
        return self.content.put(gzip.compress(b"\n".join(lines), mtime=0))
