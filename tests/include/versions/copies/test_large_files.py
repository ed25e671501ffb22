"""What is too large for memory comes into the store in pieces."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from include.storage import ContentStore, Store, open_store
from include.storage.content import content_key
from include.versions.history import read_version
from include.versions.listing import put_listing
from tests.versions import png

ROOT = Path(__file__).resolve().parents[4]
LARGE_BYTES = 200 * 2**20
AT_MOST_MB = 160  # beside what the modules take: a few pieces of 4 to 16 MB
MEASURED = """
import json, resource, sys
from include.step.by_hand import step_by_hand
from include.storage import open_store
from include.versions.derive import DeriveDataset, derive
from include.versions.import_folder import ImportDataset, import_folder
store, name, do = open_store(sys.argv[1]), "large", json.loads(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if "operation" in do:
    derive(step_by_hand("derive_dataset", DeriveDataset.model_validate({"name": name, "do": do}), store, {"parents": ""}))
else:
    import_folder(step_by_hand("derive_dataset", ImportDataset.model_validate({"name": name, "do": do}), store, {"parents": ""}))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def memory_mb(store: Store, do: dict[str, Any]) -> float:
    """What a process of its own took to make the version."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, store.url, json.dumps(do)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def large_png(path: Path) -> str:
    """A picture of 64 × 48 px with 200 MB of nothing behind it (a hole in the file); returns its md5."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png("large"))
    os.truncate(path, LARGE_BYTES)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def check(store: Store, md5: str) -> None:
    version = read_version(store, "large", 1)
    assert sum(one.images for one in version.splits.values()) == 2
    running = hashlib.md5()
    for chunk in store.chunks(content_key(md5)):
        running.update(chunk)
    assert running.hexdigest() == md5
    assert version.size_bytes > LARGE_BYTES


@pytest.mark.parametrize("where", ["file", "s3"])
def test_a_large_file_of_a_folder_is_sent_in_pieces(request: pytest.FixtureRequest, tmp_path: Path, where: str) -> None:
    store = request.getfixturevalue("store" if where == "file" else "s3_store")
    md5 = large_png(tmp_path / "in" / "large.png")
    (tmp_path / "in" / "small.png").write_bytes(png("small"))
    assert memory_mb(store, {"folder": str(tmp_path / "in")}) < AT_MOST_MB
    check(store, md5)


@pytest.mark.parametrize("there", [False, True], ids=["copied", "there already"])
def test_a_large_file_of_a_dvc_remote_is_taken_over_in_pieces(store: Store, tmp_path: Path, there: bool) -> None:
    md5 = large_png(tmp_path / "large.png")
    remote = open_store(f"file://{tmp_path}/remote")
    for one in (remote, store)[: 1 + there]:
        assert one.folder is not None
        target = one.folder / content_key(md5)
        target.parent.mkdir(parents=True)
        os.link(tmp_path / "large.png", target)
    files = {"large.png": md5, "small.png": ContentStore(remote).put(png("small"))}
    do = {"operation": "import_dvc", "digest": put_listing(ContentStore(remote), files), "remote": str(tmp_path / "remote")}
    assert memory_mb(store, do) < AT_MOST_MB
    check(store, md5)


def test_a_large_object_is_adopted_without_reading_it_into_memory(store: Store) -> None:
    assert store.folder is not None
    large_png(store.folder / "raw" / "large.png")
    store.write("raw/small.png", png("small"))
    assert memory_mb(store, {"operation": "adopt", "prefix": "raw"}) < AT_MOST_MB
    assert read_version(store, "large", 1).counts == {"objects adopted": 2}


def test_a_large_object_that_is_damaged_at_the_remote_leaves_nothing_under_its_name(store: Store, tmp_path: Path) -> None:
    from include.errors import BadInputError
    from include.versions.taken_over import Source

    large_png(tmp_path / "remote" / "large.png")
    os.truncate(tmp_path / "remote" / "large.png", 20 * 2**20)
    md5 = "0" * 32
    (tmp_path / "remote/files/md5/00").mkdir(parents=True)
    os.link(tmp_path / "remote" / "large.png", tmp_path / "remote" / content_key(md5))
    source = Source(ContentStore(store), open_store(f"file://{tmp_path}/remote"), None, ())
    with pytest.raises(BadInputError, match=f"{content_key(md5)}: damaged: md5 .*, expected {md5}; push it again"):
        source.take(md5, True)
    assert not store.exists(content_key(md5))
