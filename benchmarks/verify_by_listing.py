"""Claim: a million objects are verified by listing: some thousand requests, not a million, in the memory that the step has.

How: one version of N tiny objects (`--objects`: 1000000) on a SeaweedFS server of its own, three of which are then replaced: one
byte flipped, cut off, deleted. Measured is a fresh process with `verify`: its time, its peak memory, and its requests as S3
counts them (one for each 1,000 listed, one for each object read). It must find these three, and no more. Filling the server takes
longer than all the rest: about 1,000 objects a second on an idle machine.

    .venv/cli/bin/python -m benchmarks.verify_by_listing
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEMORY_MB = 4096  # tasks/audit_storage/step.toml
FILL = """
import sys
from benchmarks.verify_by_listing import fill
fill(sys.argv[1], int(sys.argv[2]))
"""
VERIFY = """
import sys
from benchmarks.verify_by_listing import verify_counted
verify_counted(sys.argv[1], sys.argv[2])
"""


def tiny(number: int) -> bytes:
    return f"object {number:09d}".encode()


def fill(url: str, objects: int) -> None:
    """The version `many:v1`, then its damages."""
    import pyarrow as pa

    from include.artifacts import DatasetVersion
    from include.artifacts.tables import VERSION_ANNOTATIONS, VERSION_IMAGES, to_parquet
    from include.storage import ContentStore, open_store
    from include.storage.content import content_key, md5_of
    from include.storage.threads import as_they_end
    from include.versions.listing import put_listing
    from tests.versions import MADE_BY

    store = open_store(url)
    content = ContentStore(store)
    md5s = [md5_of(tiny(number)) for number in range(objects)]
    for _ in as_they_end(lambda number: store.write_whole(content_key(md5s[number]), tiny(number)), range(objects), 32):
        pass
    relpaths = [f"images/{number:09d}.png" for number in range(objects)]
    known = {"image_id": range(objects), "relpath": relpaths, "md5": md5s, "size_bytes": [len(tiny(0))] * objects,
             "width_px": [1] * objects, "height_px": [1] * objects, "split": ["train"] * objects, "group": relpaths}  # fmt: skip
    images = pa.table([pa.array(known.get(one.name, [None] * objects), one.type) for one in VERSION_IMAGES], VERSION_IMAGES)
    card = DatasetVersion(
        made_by=MADE_BY, inputs={}, config={}, name="many", version="v1", parents=(), classes=("Thing",), splits={},
        digest=put_listing(content, dict(zip(relpaths, md5s, strict=True))), images_table=content.put(to_parquet(images)),
        annotations_table=content.put(to_parquet(VERSION_ANNOTATIONS.empty_table())), size_bytes=1, new_bytes=1,
        checked_labels=(),
    )  # fmt: skip
    store.create("datasets/many/v1.json", card.to_bytes())
    flipped, cut, gone = (content_key(md5s[number]) for number in (0, objects // 2, objects - 1))
    store.write_whole(flipped, b"O" + tiny(0)[1:])
    store.write_whole(cut, tiny(objects // 2)[:-1])
    store.delete(gone)


def verify_counted(url: str, answer: str) -> None:
    """Write what verify found and asked for, as JSON."""
    from collections.abc import Iterator

    from include.storage import Store, open_store
    from include.storage.store import Entry
    from include.versions.keep.verify import verify, version_keys

    asked = {"listings": 0, "reads": 0}

    class Counting(Store):
        def list(self, prefix: str) -> Iterator[Entry]:
            entries = 0
            for entries, entry in enumerate(super().list(prefix), 1):  # noqa: B007 (its last value is used)
                yield entry
            asked["listings"] += max(1, -(-entries // 1000))

        def read(self, key: str) -> bytes:
            asked["reads"] += 1
            return super().read(key)

        def chunks(self, key: str) -> Iterator[object]:  # type: ignore[override]
            asked["reads"] += 1
            return super().chunks(key)

    store = Counting(url, open_store(url).backend)
    started = time.perf_counter()
    verified = verify(store, version_keys(store))
    found = {damage.relpath: damage.what for one in verified.versions for damage in one.damages}
    said = {"seconds": time.perf_counter() - started, "objects": verified.objects, "found": found, **asked}
    Path(answer).write_text(json.dumps(said))


def main() -> None:
    """The numbers; exit 1 if the damages are not found, or memory is more than the step has."""
    from benchmarks.beside_dvc.peer import PYTHON, ROOT, measure, require_tools  # psutil: not where the children run
    from tests.s3_server import BUCKET, s3_server

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=1_000_000)
    objects = parser.parse_args().objects
    require_tools()
    url = f"s3://{BUCKET}/many"
    with tempfile.TemporaryDirectory() as name, s3_server(Path(name) / "s3") as variables:
        environment = variables | {"PYTHONPATH": str(ROOT)}
        started = time.perf_counter()
        subprocess.run([PYTHON, "-c", FILL, url, str(objects)], cwd=ROOT, env=os.environ | environment, check=True)
        print(f"filled in {time.perf_counter() - started:.0f} s", flush=True)
        run = measure([PYTHON, "-c", VERIFY, url, f"{name}/answer"], ROOT, environment)
        said = json.loads(Path(f"{name}/answer").read_text())
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{said['objects']:,} objects verified in {said['seconds']:.1f} s ({run.seconds:.1f} s with the start), peak memory "
          f"{run.peak_mb:.0f} MB, {said['listings'] + said['reads']:,} requests: {said['listings']:,} listings, "
          f"{said['reads']:,} reads")  # fmt: skip
    damaged = {0: "changed", objects // 2: "truncated", objects - 1: "missing"}
    if said["found"] != {f"images/{number:09d}.png": what for number, what in damaged.items()}:
        sys.exit(f"got {said['found']}, expected the three damages")
    sys.exit(run.peak_mb > MEMORY_MB)


if __name__ == "__main__":
    main()
