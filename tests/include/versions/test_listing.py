from __future__ import annotations

from pathlib import Path

from include.storage import ContentStore, open_store
from include.versions.listing import digest_of, dvc_file, listing_bytes, put_listing, read_listing

# made by dvc 3.67.1: `mkdir data; printf a > data/b.txt; printf b > data/ä.txt; dvc add data`
FILES = {"b.txt": "0cc175b9c0f1b6a831c399e269772661", "ä.txt": "92eb5ffee6ae2fec3ad71c777531578f"}
DIGEST = "08bfbded940384b480a3e9f0ab9cd1f2"


def test_listing_is_what_dvc_writes_for_the_same_folder() -> None:
    assert listing_bytes(FILES) == (
        b'[{"md5": "0cc175b9c0f1b6a831c399e269772661", "relpath": "b.txt"}, '
        b'{"md5": "92eb5ffee6ae2fec3ad71c777531578f", "relpath": "\\u00e4.txt"}]'
    )
    assert digest_of(FILES) == DIGEST


def test_digest_does_not_depend_on_the_order_of_files() -> None:
    assert digest_of(dict(reversed(FILES.items()))) == digest_of(FILES)


def test_listing_is_stored_under_its_digest_and_read_back(tmp_path: Path) -> None:
    content = ContentStore(open_store(f"file://{tmp_path}"))
    assert put_listing(content, FILES) == digest_of(FILES)
    assert (tmp_path / "files/md5" / DIGEST[:2] / f"{DIGEST[2:]}.dir").exists()
    assert read_listing(content, DIGEST) == FILES


def test_dvc_file_names_the_hash_kind_without_which_dvc_reads_it_as_version_2() -> None:
    assert dvc_file("a" * 32, 12, 3, "trees").splitlines() == [
        "outs:", f"- md5: {'a' * 32}.dir", "  size: 12", "  nfiles: 3", "  hash: md5", "  path: trees",
    ]  # fmt: skip
