"""Pictures redrawn by all cores, chunk by chunk.

A chunk that is done leaves a record `<output>/chunks/<key>.json`, written create-only: a killed step, run again, takes these
chunks as they are.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict
from typing import Any

import pandas as pd
import PIL

from include.errors import BadInputError
from include.step.step_run import StepRun
from include.storage.content import md5_of
from include.versions.operations.cutting import Pictures
from include.versions.operations.pictures import New, Redrawn, Task, redraw, start_worker
from include.versions.operations.planning import CHUNK, Chunk, tasks_of

LOG_EVERY_S = 30


def redraw_all(
    step: StepRun[Any], images: pd.DataFrame, how: Pictures, chunks: Iterator[Chunk]
) -> Iterator[tuple[Chunk, list[New]]]:
    """Each chunk, in order, with the files of its edits. Raises BadInputError that lists pictures which cannot be read."""
    problems: list[str] = []
    cores = cores_of(step)
    context = multiprocessing.get_context("spawn")  # a fork would copy the store's threads half-way
    with ProcessPoolExecutor(cores, context, start_worker, (step.store.url,)) as pool:
        ahead: deque[tuple[Chunk, Future[Redrawn] | Redrawn]] = deque()

        def first() -> tuple[Chunk, list[New]]:
            chunk, redrawn = ahead.popleft()
            redrawn = redrawn.result() if isinstance(redrawn, Future) else redrawn
            problems.extend(redrawn.problems)
            return chunk, redrawn.files

        for chunk in said_now_and_then(step, chunks, len(images)):
            tasks = tasks_of(chunk, images, how)
            key = record_key(step, tasks)
            known = read_record(step, key) if tasks else Redrawn([], [])
            ahead.append((chunk, known or pool.submit(redraw, tasks, key)))
            if len(ahead) > 4 * cores:
                yield first()
        while ahead:
            yield first()
    if problems:
        more = f"; and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise BadInputError(
            f"{len(problems)} of {len(images)} pictures cannot be used: {'; '.join(problems[:20])}{more}. "
            "Leave them out first (`visionloop dataset exclude`)"
        )


def said_now_and_then(step: StepRun[Any], chunks: Iterator[Chunk], images: int) -> Iterator[Chunk]:
    """The same chunks; how far we are is logged, at most every LOG_EVERY_S."""
    started = said = time.monotonic()
    for number, chunk in enumerate(chunks):
        if (now := time.monotonic()) - said >= LOG_EVERY_S:
            said, done = now, number * CHUNK
            step.log.info("image %d of %d  eta %.0f min", done, images, (now - started) / done * (images - done) / 60)
        yield chunk


def cores_of(step: StepRun[Any]) -> int:
    """All cores; in a container, those of its limit: the machine may have many more."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(here, max(1, int(step.plate.cpus))) if step.who.runtime == "docker" else here


def record_key(step: StepRun[Any], tasks: Sequence[Task]) -> str:
    """The same for the same work by the same Pillow."""
    return f"{step.output}/chunks/{md5_of(json.dumps([PIL.__version__, [asdict(task) for task in tasks]]).encode())}.json"


def read_record(step: StepRun[Any], key: str) -> Redrawn | None:
    """What an earlier try of this step made of the chunk."""
    try:
        found = json.loads(step.store.read(key))
    except FileNotFoundError:
        return None
    return Redrawn([New(one["md5"], one["size_bytes"], tuple(one["suffixes"])) for one in found], [])
