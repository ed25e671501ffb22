from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from include.errors import BadInputError, ConfigError
from include.storage import ContentStore, Store, open_store
from include.storage.content import content_key, in_threads, md5_of


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def content(store: Store) -> ContentStore:
    return ContentStore(store)


def test_created_key_is_never_overwritten(store: Store) -> None:
    assert store.create("a/b.json", b"first")
    assert not store.create("a/b.json", b"second")
    assert store.read("a/b.json") == b"first"


def test_of_many_creators_one_wins_and_its_bytes_stand(store: Store) -> None:
    for key in (f"race/{number}" for number in range(20)):
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(lambda who, key=key: store.create(key, str(who).encode()), range(8)))
        assert won.count(True) == 1
        assert store.read(key) == str(won.index(True)).encode()


def test_written_key_is_overwritten(store: Store) -> None:
    store.write("progress", b"1")
    store.write("progress", b"2")
    assert store.read("progress") == b"2"


def test_absent_key_raises_and_may_be_deleted(store: Store) -> None:
    assert not store.exists("nothing")
    with pytest.raises(FileNotFoundError):
        store.read("nothing")
    store.delete("nothing")


def test_listing_names_every_object_below_a_folder_and_no_sibling(store: Store) -> None:
    for key in ("a/1", "a/b/2", "ab/3", "a b ä.png"):
        store.write(key, b"xyz")
    assert sorted(entry.key for entry in store.list("a")) == ["a/1", "a/b/2"]
    assert {entry.key for entry in store.list("")} == {"a/1", "a/b/2", "ab/3", "a b ä.png"}
    assert {entry.size_bytes for entry in store.list("a")} == {3}
    assert list(store.list("no/such/folder")) == []


def test_listing_is_longer_than_one_page(store: Store) -> None:
    list(in_threads(lambda number: store.write(f"many/{number}", b""), range(1200)))
    assert len(list(store.list("many"))) == 1200


def test_etag_changes_with_the_bytes(store: Store) -> None:
    store.write("a", b"one")
    (before,) = store.list("")
    store.write("a", b"other")
    (after,) = store.list("")
    assert before.etag != after.etag


@pytest.mark.parametrize("url", ["", "trees", "http://bucket/x", "s3://", "ftp://x/y"])
def test_url_that_no_store_serves_says_what_is_expected(url: str) -> None:
    with pytest.raises(ConfigError, match=r"expected s3://bucket/prefix or file:///folder"):
        open_store(url)


def test_bytes_lie_where_dvc_looks_for_them(content: ContentStore, tmp_path: Path) -> None:
    assert content.put(b"a") == "0cc175b9c0f1b6a831c399e269772661"  # printf a | md5sum
    assert (tmp_path / "store/files/md5/0c/c175b9c0f1b6a831c399e269772661").read_bytes() == b"a"
    assert content_key("0cc175b9c0f1b6a831c399e269772661.dir") == "files/md5/0c/c175b9c0f1b6a831c399e269772661.dir"


def test_bytes_already_there_are_not_sent_again(content: ContentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    md5 = content.put(b"a")
    monkeypatch.setattr(content.store, "create", lambda *_: pytest.fail("sent again"))
    assert content.put(b"a") == md5


def test_changed_bytes_are_an_error_that_names_the_object(content: ContentStore) -> None:
    md5 = content.put(b"a")
    content.store.write(content_key(md5), b"b")
    with pytest.raises(BadInputError, match=f"files/md5/0c/.*the bytes changed: md5 {md5_of(b'b')}, expected {md5}"):
        content.get(md5)


def test_missing_bytes_are_an_error_that_names_the_object(content: ContentStore) -> None:
    with pytest.raises(BadInputError, match=r"files/md5/aa/a+: missing, but a card names it"):
        content.get("a" * 32)


def test_directory_object_is_checked_against_its_name_too(content: ContentStore) -> None:
    md5 = content.put(b"[]", suffix=".dir")
    assert content.get(md5) == b"[]"
    content.store.write(content_key(md5), b"[1]")
    with pytest.raises(BadInputError, match="the bytes changed"):
        content.get(md5)


def test_threads_keep_the_order_and_raise() -> None:
    assert list(in_threads(lambda n: n * n, range(100))) == [n * n for n in range(100)]
    with pytest.raises(ZeroDivisionError):
        list(in_threads(lambda n: 1 // n, [1, 0]))
