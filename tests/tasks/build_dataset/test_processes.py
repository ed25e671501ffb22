"""Versions by real processes: races, kills, and a stock `dvc` that pulls what they made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from include.versions.listing import dvc_file
from tests.deliveries import picture
from tests.dvc_client import dvc
from tests.step_process import StepProcess
from tests.tasks.build_dataset.conftest import CONFIG

LABELS = {"labels": "labels/trees/checked"}


@pytest.fixture
def steps(tmp_path: Path) -> StepProcess:
    return StepProcess(tmp_path / "store")


@pytest.mark.integration
def test_of_two_builders_at_once_one_takes_the_number(datasets: Any, steps: StepProcess) -> None:
    datasets.check(list(range(40)))
    builders = [steps.start("build_dataset", CONFIG, run_id=run, inputs=LABELS) for run in ("r1", "r2")]
    errors = [builder.communicate(timeout=120)[1] for builder in builders]
    assert sorted(builder.returncode for builder in builders) == [0, 99], errors
    assert sorted(path.name for path in (steps.folder / "datasets/trees").iterdir()) == ["v1.html", "v1.json"]


@pytest.mark.integration
def test_process_killed_after_its_version_stands_takes_it_when_run_again(datasets: Any, steps: StepProcess) -> None:
    datasets.check([1, 2])
    # three COCO files, the listing, two tables, the report, the version's card; not the run's own
    assert steps.run("build_dataset", CONFIG, inputs=LABELS, die_before_write=8).exit_code == -9
    assert [path.name for path in (steps.folder / "datasets/trees").iterdir()] == ["v1.json"]
    assert steps.run("build_dataset", CONFIG, inputs=LABELS).exit_code == 0
    assert sorted(path.name for path in (steps.folder / "datasets/trees").iterdir()) == ["v1.html", "v1.json"]
    assert steps.run("build_dataset", CONFIG, inputs=LABELS, run_id="r2").exit_code == 99


@pytest.mark.integration
def test_stock_dvc_pulls_each_version_and_finds_it_clean(datasets: Any, tmp_path: Path) -> None:
    datasets.check([1, 2, 3], name="{seed} ä.png")
    datasets.build("r1")
    datasets.check([4])
    folder = tmp_path / "clone"
    folder.mkdir()
    dvc(folder, "init --no-scm -q", f"remote add -d store {tmp_path}/store", "remote modify store verify true")
    for version, images in ((datasets.build("r2"), 4), (_version(tmp_path, "v1"), 3)):
        entries = json.loads((tmp_path / "store/files/md5" / version.digest[:2] / f"{version.digest[2:]}.dir").read_text())
        (folder / "trees.dvc").write_text(dvc_file(version.digest, version.size_bytes, len(entries), "trees"))
        dvc(folder, "pull -q --force")
        pulled = {path.relative_to(folder / "trees").as_posix(): path for path in (folder / "trees").rglob("*") if path.is_file()}
        assert {name: hashlib.md5(path.read_bytes()).hexdigest() for name, path in pulled.items()} == {
            entry["relpath"]: entry["md5"] for entry in entries
        }
        assert sum(path.stat().st_size for path in pulled.values()) == version.size_bytes
        assert "up to date" in dvc(folder, "status")
        assert len(list((folder / "trees/images").rglob("*.png"))) == images
        assert picture(1) in [path.read_bytes() for path in pulled.values()]
        # and the other way round: what dvc makes of the folder is the version
        dvc(folder, "add -q trees")
        assert f"md5: {version.digest}.dir" in (folder / "trees.dvc").read_text()


def _version(tmp_path: Path, version: str) -> Any:
    from include.artifacts import DatasetVersion

    path = tmp_path / f"store/datasets/trees/{version}.json"
    return DatasetVersion.from_bytes(path.read_bytes(), str(path))
