from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from include.errors import BadInputError, ConfigError
from include.storage import ContentStore, Store
from include.storage.adopted import Lies
from include.storage.content import content_key
from include.versions.copies.checkout import CheckedOut, check_out
from include.versions.copies.fetch import Link
from include.versions.copies.folders import STAGING
from include.versions.copies.hash_cache import HashCache
from tests.step_process import ROOT

Caches = Callable[[Path], HashCache]
Files = dict[str, bytes]
V1: Files = {"images/a.jpg": b"a" * 99, "images/b.jpg": b"b", "annotations/train.json": b"{}", "images/twin.jpg": b"b"}
V2: Files = {"images/a.jpg": b"A" * 99, "annotations/train.json": b"{}"}


def listed(store: Store, files: Files) -> dict[str, str]:
    return {relpath: ContentStore(store).put(data) for relpath, data in files.items()}


def held(folder: Path) -> Files:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def out(store: Store, cache: Caches, folder: Path) -> Callable[..., CheckedOut]:
    """Check out these files; `out(V1, force=True)`."""

    def run(files: Files, **how: bool | Link) -> CheckedOut:
        with cache(folder) as known:
            return check_out(ContentStore(store), listed(store, files), folder, known, **how)  # type: ignore[arg-type]

    return run


Out = Callable[..., CheckedOut]


def test_a_version_comes_whole_and_a_second_time_nothing_is_fetched(
    out: Out, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert out(V1) == CheckedOut(files=4, written=4, written_bytes=103, kept=0, removed=0, left=0)
    assert held(folder) == V1
    monkeypatch.setattr(Store, "chunks", lambda *_: pytest.fail("fetched again"))
    monkeypatch.setattr("include.versions.copies.checkout.md5_of_file", lambda *_: pytest.fail("read again"))
    assert out(V1).kept == 4


def test_from_a_real_s3_server(s3_store: Store, cache: Caches, folder: Path) -> None:
    files = {**V1, "large.bin": os.urandom(9 * 2**20), "ä b+c%20.jpg": b"odd name", "empty": b""}
    with cache(folder) as known:
        check_out(ContentStore(s3_store), listed(s3_store, files), folder, known)
    assert held(folder) == files


def test_another_version_replaces_what_a_checkout_wrote_and_leaves_the_rest(out: Out, folder: Path) -> None:
    out(V1)
    assert out(V2) == CheckedOut(files=2, written=1, written_bytes=99, kept=1, removed=0, left=2)
    assert held(folder) == {**V1, **V2}


def test_delete_removes_what_a_checkout_wrote_and_nothing_else(out: Out, folder: Path) -> None:
    out({**V1, "old/below/x": b"x"})
    (folder / "notes.txt").write_bytes(b"mine")
    (folder / "images" / "b.jpg").write_bytes(b"edited")
    assert (out(V2, delete=True).removed, held(folder)) == (2, {**V2, "notes.txt": b"mine", "images/b.jpg": b"edited"})
    assert not (folder / "old").exists()
    assert (out(V2, delete=True, force=True).removed, held(folder)) == (2, V2)


@pytest.mark.parametrize(
    "mine", [{"images/a.jpg": b"mine"}, {"images": b"a file where a folder must be"}], ids=["other bytes", "file for folder"]
)
def test_files_that_no_checkout_wrote_are_named_and_nothing_is_written(out: Out, folder: Path, mine: Files) -> None:
    for relpath, data in mine.items():
        (folder / relpath).parent.mkdir(parents=True, exist_ok=True)
        (folder / relpath).write_bytes(data)
    with pytest.raises(ConfigError, match=rf"1 files differ .*: {next(iter(mine))}; .*--force"):
        out(V1)
    assert held(folder) == mine
    out(V1, force=True)
    assert held(folder) == V1


def test_a_file_edited_after_a_checkout_is_not_replaced(out: Out, folder: Path) -> None:
    out(V1)
    (folder / "images/a.jpg").write_bytes(b"z" * 99)
    with pytest.raises(ConfigError, match=r"images/a\.jpg"):
        out(V2)


def test_a_folder_where_a_file_must_be_is_never_removed(out: Out, folder: Path) -> None:
    (folder / "images/a.jpg").mkdir(parents=True)
    (folder / "images/a.jpg/precious").write_bytes(b"1")
    with pytest.raises(ConfigError, match=r"images/a\.jpg: a folder, where the version has a file"):
        out(V1, force=True)


def test_equal_files_of_others_are_kept_without_asking_the_store(out: Out, folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    (folder / "images/a.jpg").write_bytes(V1["images/a.jpg"])
    assert (out(V1).kept, held(folder)) == (1, V1)


@pytest.mark.parametrize("link", ["copy", "hard", "sym"])
@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_object_is_named_and_its_file_is_not_there(
    store: Store, cache: Caches, folder: Path, link: Link, damage: str
) -> None:
    files = listed(store, V1)
    key = content_key(files["images/a.jpg"])
    store.write(key, b"damaged") if damage == "changed" else store.delete(key)
    found = hashlib.md5(b"damaged").hexdigest()
    says = f"md5 {found}, expected {files['images/a.jpg']}" if damage == "changed" else "missing"
    with cache(folder) as known, pytest.raises(BadInputError, match=rf"1 objects are .*\n.*{key}: {says} \(images/a\.jpg\)"):
        check_out(ContentStore(store), files, folder, known, link=link)
    assert held(folder) == {relpath: data for relpath, data in V1.items() if relpath != "images/a.jpg"}
    store.write(key, V1["images/a.jpg"])
    with cache(folder) as known:
        assert check_out(ContentStore(store), files, folder, known, link=link).written == 1
    assert held(folder) == V1


@pytest.mark.parametrize("link", ["hard", "sym"])
def test_links_share_the_bytes_and_can_be_made_again(out: Out, store: Store, folder: Path, link: Link) -> None:
    out(V1, link=link)
    assert store.folder is not None
    source = store.folder / content_key(hashlib.md5(b"b").hexdigest())
    for name in ("b", "twin"):
        assert (folder / f"images/{name}.jpg").samefile(source)
        assert (folder / f"images/{name}.jpg").is_symlink() == (link == "sym")
    assert link == "sym" or source.stat().st_mode & 0o222 == 0
    assert out(V1, link=link).kept == 4
    out(V2, link="copy")
    assert held(folder) == {**V1, **V2}
    assert source.read_bytes() == b"b"


def test_links_to_a_store_that_is_no_folder_are_copies(s3_store: Store, cache: Caches, folder: Path) -> None:
    with cache(folder) as known:
        check_out(ContentStore(s3_store), listed(s3_store, V1), folder, known, link="sym")
    assert not (folder / "images/a.jpg").is_symlink()


@pytest.mark.parametrize("path", ["../out", "/etc/x", "a/../../b", "", "a//b", "./a"])
def test_a_path_that_leaves_the_folder_is_refused(store: Store, cache: Caches, folder: Path, path: str) -> None:
    with cache(folder) as known, pytest.raises(BadInputError, match="expected one below the folder"):
        check_out(ContentStore(store), {path: "0" * 32, "fine": listed(store, V1)["images/b.jpg"]}, folder, known)
    assert not folder.exists()


def test_two_checkouts_into_one_folder_do_not_meet(out: Out, folder: Path) -> None:
    folder.mkdir()
    held_by_other = os.open(folder, os.O_RDONLY)
    fcntl.flock(held_by_other, fcntl.LOCK_EX)
    with pytest.raises(ConfigError, match="another checkout is at work"):
        out(V1)
    os.close(held_by_other)
    out(V1)


def test_a_folder_that_cannot_be_written_is_said(out: Out, folder: Path) -> None:
    folder.parent.mkdir(exist_ok=True)
    folder.write_bytes(b"a file")
    with pytest.raises(ConfigError, match="data: File exists"):
        out(V1)


SLOW = """
import sys, time
from pathlib import Path
from include.storage import ContentStore, Store, open_store
from include.versions.copies import checkout
from include.versions.listing import read_listing
from include.versions.copies.hash_cache import HashCache
chunks = Store.chunks
def slow(store, key):
    for chunk in chunks(store, key):
        yield bytes(chunk)[:50]
        time.sleep(0.01)
        yield bytes(chunk)[50:]
Store.chunks = slow
content = ContentStore(open_store(sys.argv[1]))
with HashCache(Path(sys.argv[3]), Path(sys.argv[4])) as cache:
    checkout.check_out(content, read_listing(content, sys.argv[2]), Path(sys.argv[3]), cache,
                       progress=lambda done, *_: print(done, flush=True))
"""


def test_killed_and_started_again_it_goes_on(store: Store, cache: Caches, folder: Path, tmp_path: Path) -> None:
    from include.versions.listing import put_listing

    files = {f"images/{number:03d}.jpg": f"{number:03d}".encode() * 40 for number in range(300)}
    md5s = listed(store, files)
    words = [
        sys.executable,
        "-c",
        SLOW,
        store.url,
        put_listing(ContentStore(store), md5s),
        str(folder),
        f"{tmp_path}/data.sqlite",
    ]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 100:
                process.send_signal(signal.SIGKILL)
                break
    there = {relpath: data for relpath, data in held(folder).items() if not relpath.startswith(STAGING)}
    assert 100 <= len(there) < 300
    assert there.items() <= files.items()  # what has its name is whole
    with cache(folder) as known:
        done = check_out(ContentStore(store), md5s, folder, known)
    assert (done.kept, done.written) == (len(there), 300 - len(there))
    assert held(folder) == files


@pytest.mark.parametrize("link", ["copy", "sym"])
def test_adopted_bytes_come_from_where_they_lie(store: Store, cache: Caches, folder: Path, link: Link) -> None:
    content, md5 = ContentStore(store), hashlib.md5(b"a picture").hexdigest()
    store.write("raw/a.png", b"a picture")
    content.adopted.add([Lies(md5, "raw/a.png", "etag", 9)])
    with cache(folder) as known:
        assert check_out(content, {"images/a.png": md5}, folder, known, link=link).written == 1
    assert held(folder) == {"images/a.png": b"a picture"}


def test_an_adopted_object_that_changed_is_named(store: Store, cache: Caches, folder: Path) -> None:
    content, md5 = ContentStore(store), hashlib.md5(b"a picture").hexdigest()
    content.adopted.add([Lies(md5, "raw/a.png", "etag", 9)])
    store.write("raw/a.png", b"another!!")
    with cache(folder) as known, pytest.raises(BadInputError, match=f"expected {md5} \\(images/a.png\\)"):
        check_out(content, {"images/a.png": md5}, folder, known)
    assert held(folder) == {}
