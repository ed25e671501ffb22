"""Stores to damage: a folder, and a real S3 server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from include.storage import Store, open_store
from tests.s3_server import S3Server, s3_server


@pytest.fixture(scope="session")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Store]:
    """`opened("file")` or `opened("s3")`: an empty store of one's own."""

    def make(scheme: str) -> Store:
        if scheme == "file":
            return open_store(f"file://{tmp_path}/store")
        server: Any = request.getfixturevalue("weed")
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        return open_store(f"s3://tests/{tmp_path.name}")

    return make
