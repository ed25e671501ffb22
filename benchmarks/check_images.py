"""Claim: looking at a picture (decode, size, truncation, hash, brightness) costs no more than Pillow's `verify` + `load` of it.

How: 200 made JPEGs of 1920×1080 (or, with --folder, real pictures), in memory. The peer decodes each, as everybody does:
`Image.open(…).verify()`, then `Image.open(…).load()`, on one core. Ours on one core: `look`, which also hashes. Then ours as the
step runs it, `look_at_all`, on all cores. By turns, the best of 3, in one process; one core by the processor's time, which
others on the machine do not change, all cores by the clock. Both must find the same pictures whole.

    .venv/data/bin/python benchmarks/check_images.py
"""

from __future__ import annotations

import argparse
import hashlib
import io
import logging
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from include.formats.tree import is_image
from tasks.validate_annotations.pictures import FORMATS, Picture, look, look_at_all

PICTURES, SIDES_PX, QUALITY = int(os.environ.get("PICTURES", "200")), (1920, 1080), 85
TRIES, MEGAPIXELS = 3, 150
BOUND = 1.0  # of the peer's pictures per second, on one core


def made() -> list[bytes]:
    """JPEGs of about 1 MB: soft shapes with grain, as a camera sees them; each 20th cut short."""
    chance, files = np.random.default_rng(0), list[bytes]()
    for number in range(PICTURES):
        soft = Image.fromarray(chance.integers(0, 255, (27, 48, 3), np.uint8)).resize(SIDES_PX, Image.Resampling.BICUBIC)
        grain = chance.normal(0, 8, (SIDES_PX[1], SIDES_PX[0], 1))
        out = io.BytesIO()
        Image.fromarray(np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=QUALITY)
        files.append(out.getvalue() if number % 20 else out.getvalue()[: out.tell() // 2])
    return files


def verify_and_load(data: bytes) -> bool:
    try:
        Image.open(io.BytesIO(data), formats=FORMATS).verify()
        Image.open(io.BytesIO(data), formats=FORMATS).load()
    except (OSError, SyntaxError, ValueError):
        return False
    return True


def on_all_cores(by_md5: dict[str, bytes]) -> dict[str, Picture]:
    return look_at_all(by_md5.__getitem__, by_md5, MEGAPIXELS, logging.getLogger())


def best(
    work: Callable[[], list[bool]], seconds: dict[str, float], name: str, clock: Callable[[], float] = time.process_time
) -> list[bool]:
    """The answers; the shortest time so far is kept."""
    began = clock()
    whole = work()
    seconds[name] = min(clock() - began, seconds.get(name, float("inf")))
    return whole


def main() -> None:
    """The table; exit 1 if the bound is missed or the answers differ."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--folder", type=Path, help="a folder of real pictures, instead of made ones")
    folder = arguments.parse_args().folder
    files = [path.read_bytes() for path in sorted(folder.rglob("*")) if is_image(path.name)] if folder else made()
    by_md5 = {hashlib.md5(data, usedforsecurity=False).hexdigest(): data for data in files}
    cores = len(os.sched_getaffinity(0))
    seconds: dict[str, float] = {}
    names = ("pillow verify + load, 1 core", "look, 1 core", f"look_at_all, {cores} cores")
    for _ in range(TRIES):
        theirs = best(lambda: [verify_and_load(data) for data in by_md5.values()], seconds, names[0])
        ours = best(lambda: [look(data, MEGAPIXELS).problem is None for data in by_md5.values()], seconds, names[1])
        found = best(lambda: [one.problem is None for one in on_all_cores(by_md5).values()], seconds, names[2], time.perf_counter)
        assert sorted(found) == sorted(ours)
    print(f"{len(by_md5)} pictures, {sum(map(len, by_md5.values())) / 1e6:.0f} MB, {sum(theirs)} of them whole")
    for name in names:
        print(f"  {name:30} {len(by_md5) / seconds[name]:8.1f} pictures/s")
    gain, scaled = seconds[names[0]] / seconds[names[1]], seconds[names[1]] / seconds[names[2]]
    print(f"  per core {gain:.2f} × the peer; all cores {scaled:.2f} × one; "
          f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")  # fmt: skip
    if gain < BOUND or ours != theirs:
        sys.exit(f"missed: {gain:.2f} × the peer per core, expected {BOUND}; answers {'differ' if ours != theirs else 'agree'}")


if __name__ == "__main__":
    main()
