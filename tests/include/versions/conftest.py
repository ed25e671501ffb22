"""A store in a folder, and one on a real S3 server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from include.storage import Store, open_store
from include.versions.copies.hash_cache import HashCache
from tests.s3_server import BUCKET, WEED, s3_server


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def cache(tmp_path: Path) -> Callable[[Path], HashCache]:
    """Of a folder, in a file of the test's own."""
    return lambda folder: HashCache(folder, tmp_path / f"{folder.name}.sqlite")


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    if not WEED.exists():
        pytest.skip("no S3 server: python3 images/install.py cli")
    with s3_server(tmp_path_factory.mktemp("s3")) as variables:
        yield variables


@pytest.fixture
def s3_store(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Store:
    """A prefix of the test's own on the server."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    return open_store(f"s3://{BUCKET}/{request.node.name.replace('[', '-').replace(']', '')}")


@pytest.fixture
def opened(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], Store]:
    """`opened("file")` or `opened("s3")`: an empty store of the test's own."""

    def make(scheme: str) -> Store:
        if scheme == "file":
            return open_store(f"file://{tmp_path}/store")
        found: Store = request.getfixturevalue("s3_store")
        return found

    return make
