"""Claim: a folder is published 5 times faster than by DVC to S3 and 3 times faster to a local folder; 500 more, 20 times.

How: N files of 20 KB, no two alike, and a SeaweedFS server of its own. Ours: hash, upload, write the directory object. DVC: `dvc
add` and `dvc push`, to the same server or to a folder on the same disk; both digests are compared. Then 500 files are added and
both publish again. Each in fresh processes, from start to end. Needs disk for about 5 times the files (`--files`: 100000).

    .venv/cli/bin/python -m benchmarks.publish_dataset
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.beside_dvc.peer import (
    FILE_BYTES,
    PYTHON,
    ROOT,
    Compared,
    Repository,
    Run,
    forget,
    measure,
    require_tools,
    show,
    write_pictures,
)
from tests.s3_server import BUCKET, s3_server

ADDED = 500
PUBLISH = """
import sys
from pathlib import Path
from include.storage import ContentStore, open_store
from include.versions.copies.hash_cache import HashCache
from include.versions.listing import put_listing, read_listing
from include.versions.copies.upload import upload_folder
store, folder, before = sys.argv[1:]
content, digest = ContentStore(open_store(store)), Path(before)
known = set(read_listing(content, digest.read_text()).values()) if digest.exists() else set()
with HashCache(Path(folder)) as cache:
    digest.write_text(put_listing(content, upload_folder(content, Path(folder), cache, known).files))
"""


def publish(store: str, folder: Path, digest: Path, environment: dict[str, str]) -> Run:
    """Ours; the digest of the version before, if any, is in a file, as DVC has it in its own."""
    environment = environment | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(digest.parent / "cache")}
    return measure([PYTHON, "-c", PUBLISH, store, folder, digest], ROOT, environment)


def compare(where: str, store: str, remote: str, files: int, scratch: Path, environment: dict[str, str]) -> list[Compared]:
    """First all files, then 500 more. The folder is the same for both: dvc's workspace."""
    repository = Repository(scratch / "repository", remote, environment)
    folder, digest, rows = repository.folder / "data", scratch / "digest", []
    targets = (5 if where == "S3" else 3, 20)
    for numbers, target in ((range(files), targets[0]), (range(files, files + ADDED), targets[1])):
        write_pictures(folder, numbers)
        os.sync()
        ours = publish(store, folder, digest, environment)
        os.sync()
        dvc = repository.run("add", "-q", "data") + repository.run("push", "-q")
        if f"md5: {digest.read_text()}.dir" not in (repository.folder / "data.dvc").read_text():
            sys.exit("the digests differ: the comparison is not of the same thing")
        rows.append(Compared(f"{len(numbers):,} files to {where}{'' if numbers.start == 0 else ' more'}", ours, dvc, target))
    forget(scratch)
    return rows


def main() -> None:
    """The table; exit 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    files = parser.parse_args().files
    require_tools()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        with s3_server(scratch / "s3") as variables:
            urls = (f"s3://{BUCKET}/ours", f"s3://{BUCKET}/dvc")
            rows = compare("S3", *urls, files, scratch / "on_s3", variables)
        forget(scratch / "s3")
        urls = (f"file://{scratch}/local/ours", f"{scratch}/local/dvc")
        rows += compare("a folder", *urls, files, scratch / "local", {})
    print(f"{files:,} files of {FILE_BYTES:,} bytes")
    sys.exit(show(rows))


if __name__ == "__main__":
    main()
