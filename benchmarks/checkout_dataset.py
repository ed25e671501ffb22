"""Claim: a version comes from S3 into an empty folder at least 4 times faster than by `dvc pull`, every md5 checked.

How: N files of 20 KB, no two alike, on a SeaweedFS server of its own, under one prefix in DVC's layout, from which both read.
Ours: `check_out`, which checks each file; DVC: `dvc pull` as it comes, which checks none. Fresh processes, no cache; both
folders are compared by path and size. Needs disk for about 4 times the files (`--files`: 100000).

    .venv/cli/bin/python -m benchmarks.checkout_dataset
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
    forget,
    measure,
    require_tools,
    show,
    write_pictures,
)
from benchmarks.publish_dataset import publish
from include.versions.listing import dvc_file
from tests.s3_server import BUCKET, s3_server

TARGET = 4
CHECK_OUT = """
import sys
from pathlib import Path
from include.storage import ContentStore, open_store
from include.versions.copies.checkout import check_out
from include.versions.copies.hash_cache import HashCache
from include.versions.listing import read_listing
store, digest, folder = sys.argv[1:]
content = ContentStore(open_store(store))
with HashCache(Path(folder)) as cache:
    check_out(content, read_listing(content, digest), Path(folder), cache)
"""


def sizes(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def main() -> None:
    """The table; exit 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    files = parser.parse_args().files
    require_tools()
    store = f"s3://{BUCKET}/ours"
    with tempfile.TemporaryDirectory() as name, s3_server(Path(name) / "s3") as variables:
        scratch = Path(name)
        write_pictures(scratch / "made", range(files))
        publish(store, scratch / "made", scratch / "digest", variables)
        digest = (scratch / "digest").read_text()
        forget(scratch / "made")
        os.sync()
        environment = variables | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(scratch / "cache")}
        ours = measure([PYTHON, "-c", CHECK_OUT, store, digest, scratch / "ours"], ROOT, environment)
        os.sync()
        repository = Repository(scratch / "repository", store, variables)
        (repository.folder / "data.dvc").write_text(dvc_file(digest, files * FILE_BYTES, files, "data"))
        dvc = repository.run("pull", "-q")
        if sizes(scratch / "ours") != sizes(repository.folder / "data") or len(sizes(scratch / "ours")) != files:
            sys.exit("the folders differ: the comparison is not of the same thing")
    print(f"{files:,} files of {FILE_BYTES:,} bytes")
    sys.exit(show([Compared(f"{files:,} files from S3", ours, dvc, TARGET)]))


if __name__ == "__main__":
    main()
