from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from include.errors import BadInputError
from include.storage import ContentStore, Store
from include.storage.content import content_key
from include.versions.copies import upload
from include.versions.copies.hash_cache import HashCache
from include.versions.copies.upload import present, upload_folder
from include.versions.listing import digest_of
from tests.dvc_client import ROOT, dvc

Caches = Callable[[Path], HashCache]


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def write(folder: Path, files: dict[str, bytes], age_s: float = 60) -> Path:
    """Files last changed a while ago: the youngest are not remembered."""
    for relpath, data in files.items():
        path = folder / relpath
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        then = time.time() - age_s
        os.utime(path, (then, then))
    return folder


def files_of(count: int) -> dict[str, bytes]:
    return {f"images/{number:04d}.jpg": f"picture {number}".encode() * 50 for number in range(count)}


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that were put, in whichever way."""
    keys: list[str] = []
    create, whole, in_parts = Store.create, Store.write_whole, Store.write_chunks

    def note(store: Store, key: str, data: bytes) -> bool:
        keys.append(key)
        return create(store, key, data)

    def note_whole(store: Store, key: str, data: bytes) -> None:
        keys.append(key)
        whole(store, key, data)

    def note_parts(store: Store, key: str, chunks: object) -> None:
        keys.append(key)
        in_parts(store, key, chunks)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "create", note)
    monkeypatch.setattr(Store, "write_whole", note_whole)
    monkeypatch.setattr(Store, "write_chunks", note_parts)
    return keys


def test_a_folder_is_put_by_content_and_listed(store: Store, cache: Caches, tmp_path: Path) -> None:
    files = {"a.jpg": b"one", "below/ä b.jpg": b"two", "empty": b"", "again.jpg": b"one"}
    folder = write(tmp_path / "data", files)
    with cache(folder) as known:
        done = upload_folder(ContentStore(store), folder, known)
    assert done.files == {relpath: md5(data) for relpath, data in files.items()}
    assert done.sizes == {md5(data): len(data) for data in files.values()}
    assert (done.sent, done.sent_bytes) == (3, 6)
    for data in files.values():
        assert store.read(content_key(md5(data))) == data


def test_only_what_is_new_is_read_and_sent(
    store: Store, cache: Caches, tmp_path: Path, created: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "data", files_of(40))
    with cache(folder) as known:
        first = upload_folder(ContentStore(store), folder, known)
    assert len(created) == 40
    created.clear()
    new = {"images/new.jpg": b"new"}
    write(folder, new)
    monkeypatch.setattr(upload, "present", lambda *_: None)
    opened: list[str] = []

    def note_open(path: str, *how: Any, **more: Any) -> Any:
        opened.append(path)
        return open(path, *how, **more)

    monkeypatch.setattr(upload, "open", note_open, raising=False)
    with cache(folder) as known:
        second = upload_folder(ContentStore(store), folder, known, known=set(first.files.values()))
    assert opened == [f"{folder}/images/new.jpg"]
    assert created == [content_key(md5(b"new"))]
    assert (second.sent, second.sent_bytes) == (1, 3)
    assert second.files == {**first.files, "images/new.jpg": md5(b"new")}


def test_what_the_store_has_is_found_by_listing_not_one_by_one(
    store: Store, cache: Caches, tmp_path: Path, created: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = ContentStore(store)
    for data in files_of(30).values():
        content.put(data)
    created.clear()
    monkeypatch.setattr(Store, "exists", lambda *_: pytest.fail("asked for a single object"))
    folder = write(tmp_path / "data", files_of(31))
    with cache(folder) as known:
        done = upload_folder(content, folder, known)
    assert done.sent == len(created) == 1


def test_a_large_store_is_not_listed_for_a_few_files(store: Store) -> None:
    for number in range(4):
        store.write(f"files/md5/00/{number:030x}", b"x")
    assert present(ContentStore(store), wanted=100) is None  # 4 below one prefix: about 1,024 objects
    assert len(present(ContentStore(store), wanted=1000) or ()) == 4


@pytest.mark.parametrize("change", ["bytes", "kept size and time"])
def test_a_changed_file_is_hashed_again(store: Store, cache: Caches, tmp_path: Path, change: str) -> None:
    folder = write(tmp_path / "data", {"a": b"before"})
    with cache(folder) as known:
        upload_folder(ContentStore(store), folder, known)
    then = (folder / "a").stat()
    if change == "bytes":
        (folder / "a").write_bytes(b"longer than before")
    else:  # another file under the name, as editors and rsync leave it
        (folder / "b").write_bytes(b"after.")
        os.utime(folder / "b", ns=(then.st_atime_ns, then.st_mtime_ns))
        (folder / "b").rename(folder / "a")
    with cache(folder) as known:
        done = upload_folder(ContentStore(store), folder, known)
    assert done.files == {"a": md5((folder / "a").read_bytes())}


def test_a_file_of_just_now_is_not_remembered(cache: Caches, store: Store, tmp_path: Path) -> None:
    folder = write(tmp_path / "data", {"a": b"1"}, age_s=0)
    with cache(folder) as known:
        upload_folder(ContentStore(store), folder, known)
        assert known.known == {}


def test_files_that_are_gone_are_forgotten(cache: Caches, store: Store, tmp_path: Path) -> None:
    folder = write(tmp_path / "data", {"a": b"1", "b": b"2"})
    with cache(folder) as known:
        upload_folder(ContentStore(store), folder, known)
    (folder / "a").unlink()
    with cache(folder) as known:
        assert upload_folder(ContentStore(store), folder, known).files.keys() == {"b"}
        assert known.known.keys() == {"b"}


@pytest.mark.parametrize("junk", [b"not a database at all" * 500, b""], ids=["damaged", "empty"])
def test_a_damaged_cache_is_made_anew(store: Store, tmp_path: Path, junk: bytes) -> None:
    folder = write(tmp_path / "data", {"a": b"1"})
    (tmp_path / "cache").write_bytes(junk)
    for _ in range(2):
        with HashCache(folder, tmp_path / "cache") as known:
            assert upload_folder(ContentStore(store), folder, known).files == {"a": md5(b"1")}


def test_where_no_cache_can_be_kept_the_work_is_done_all_the_same(store: Store, tmp_path: Path) -> None:
    folder = write(tmp_path / "data", {"a": b"1"})
    (tmp_path / "file").write_bytes(b"")
    with HashCache(folder, tmp_path / "file" / "cache") as known:
        assert upload_folder(ContentStore(store), folder, known).files == {"a": md5(b"1")}


def test_a_large_file_goes_in_parts_and_comes_back_whole(
    s3_store: Store, cache: Caches, tmp_path: Path, created: list[str]
) -> None:
    data = os.urandom(17 * 2**20)
    folder = write(tmp_path / "data", {"large.bin": data})
    with cache(folder) as known:
        done = upload_folder(ContentStore(s3_store), folder, known)
    assert (done.files, done.sent, created) == ({"large.bin": md5(data)}, 1, [content_key(md5(data))])
    assert ContentStore(s3_store).get(md5(data)) == data
    assert b"".join(bytes(chunk) for chunk in s3_store.chunks(content_key(md5(data)))) == data


def test_a_large_file_that_changes_meanwhile_is_an_error_and_leaves_nothing(
    s3_store: Store, cache: Caches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "data", {"large.bin": os.urandom(17 * 2**20)})
    write_chunks = Store.write_chunks

    def change_first(store: Store, key: str, chunks: Iterator[bytes]) -> None:
        (folder / "large.bin").write_bytes(os.urandom(17 * 2**20))
        write_chunks(store, key, chunks)

    monkeypatch.setattr(Store, "write_chunks", change_first)
    with cache(folder) as known, pytest.raises(BadInputError, match=r"large\.bin: changed while it was read"):
        upload_folder(ContentStore(s3_store), folder, known)
    assert list(s3_store.list("files")) == []


@pytest.mark.parametrize("link", ["folder", "nothing"])
def test_a_link_that_has_no_bytes_is_named(store: Store, cache: Caches, tmp_path: Path, link: str) -> None:
    folder = write(tmp_path / "data", {"a": b"1"})
    (folder / "b").symlink_to(tmp_path if link == "folder" else tmp_path / "nowhere")
    with cache(folder) as known, pytest.raises(BadInputError, match="data/b: a link to nothing or to a folder"):
        upload_folder(ContentStore(store), folder, known)


SLOW = """
import sys, time
from pathlib import Path
from include.storage import ContentStore, Store, open_store
from include.versions.copies import hash_cache
from include.versions.copies.hash_cache import HashCache
from include.versions.copies.upload import upload_folder
write_whole = Store.write_whole
hash_cache.BATCH = 10
Store.write_whole = lambda *what: time.sleep(0.02) or write_whole(*what)
with HashCache(Path(sys.argv[2]), Path(sys.argv[3])) as cache:
    content = ContentStore(open_store(sys.argv[1]))
    upload_folder(content, Path(sys.argv[2]), cache, progress=lambda done, *_: print(done, flush=True))
"""


def test_killed_and_started_again_it_goes_on(store: Store, cache: Caches, tmp_path: Path, created: list[str]) -> None:
    files = files_of(300)
    folder = write(tmp_path / "data", files)
    words = [sys.executable, "-c", SLOW, store.url, str(folder), str(tmp_path / "data.sqlite")]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 100:
                process.send_signal(signal.SIGKILL)
                break
    with cache(folder) as known:
        assert len(known.known) >= 90
        done = upload_folder(ContentStore(store), folder, known)
    assert len(created) <= 200
    assert done.files == {relpath: md5(data) for relpath, data in files.items()}
    assert {entry.key for entry in store.list("files")} == {content_key(md5(data)) for data in files.values()}


def test_the_digest_is_what_dvc_add_gives(store: Store, cache: Caches, tmp_path: Path) -> None:
    folder = write(tmp_path / "repo" / "data", {"b.txt": b"a", "ä/ö.txt": b"b", "A.txt": b"", "z" * 50: b"c"})
    with cache(folder) as known:
        digest = digest_of(upload_folder(ContentStore(store), folder, known).files)
    dvc(tmp_path / "repo", "init --no-scm -q", "add -q data")
    assert f"md5: {digest}.dir" in (tmp_path / "repo" / "data.dvc").read_text()
