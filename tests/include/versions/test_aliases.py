from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from include.errors import BadInputError, ConfigError
from include.step.step_run import resolve_dataset
from include.storage import Store, open_store
from include.versions import aliases
from tests.versions import put_version


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """trees has v1 … v12; twelve, because as text 9 comes after 12."""
    folder = tmp_path_factory.mktemp("twelve")
    for number in range(12):
        put_version(open_store(f"file://{folder}"), "trees", ("Tree",), [{"relpath": f"images/{number}.png"}], [])
    return folder


@pytest.fixture
def store(twelve: Path, tmp_path: Path) -> Store:
    shutil.copytree(twelve, tmp_path / "store")
    return open_store(f"file://{tmp_path}/store")


def test_an_alias_moves_and_remembers(store: Store) -> None:
    for number in (*range(1, 12), 3):
        aliases.move(store, "trees", "production", f"v{number}", "ann", f"reason {number}")
    assert aliases.current(store, "trees") == {"production": "v3"}
    assert resolve_dataset(store, "dataset://trees:production") == "datasets/trees/v3.json"
    assert resolve_dataset(store, "dataset://trees:latest") == "datasets/trees/v12.json"
    last = aliases.history(store, "trees", "production")[-1]
    assert (last.before, last.version, last.moved_by, last.reason) == ("v11", "v3", "ann", "reason 3")


@pytest.mark.parametrize("name", ["latest", "v1", "v99", "Production", "a/b", "", "../x"])
def test_names_that_cannot_be_aliases(store: Store, name: str) -> None:
    with pytest.raises(ConfigError, match="alias: got"):
        aliases.move(store, "trees", name, "v1", "ann")


def test_what_is_not_there_is_said_with_what_is(store: Store) -> None:
    aliases.move(store, "trees", "golden", "v2", "ann")
    with pytest.raises(BadInputError, match=r"no such alias; there are: golden \(v2\)"):
        resolve_dataset(store, "dataset://trees:production")
    with pytest.raises(ConfigError, match="dataset://trees:v13: no such version"):
        aliases.move(store, "trees", "golden", "v13", "ann")


def test_of_two_who_move_at_once_one_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = aliases.history
    aliases.move(store, "trees", "golden", "v1", "ann")

    def slow(*where: object) -> list[aliases.Move]:
        """Bob moves it between Ann's look and her move."""
        seen = before(*where)  # type: ignore[arg-type]
        monkeypatch.setattr(aliases, "history", before)
        aliases.move(store, "trees", "golden", "v2", "bob")
        return seen

    monkeypatch.setattr(aliases, "history", slow)
    with pytest.raises(ConfigError, match="moved by someone else just now"):
        aliases.move(store, "trees", "golden", "v3", "ann")
    assert aliases.current(store, "trees") == {"golden": "v2"}
