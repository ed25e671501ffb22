from __future__ import annotations

from pathlib import Path

import pytest

from include.artifacts import KINDS
from include.errors import ConfigError
from include.step.plate import ROOT, read_plate

STEPS = sorted(path.parent.name for path in (ROOT / "tasks").glob("*/step.toml"))


@pytest.mark.parametrize("step", STEPS)
def test_every_plate_names_kinds_that_exist(step: str) -> None:
    plate = read_plate(step)
    assert plate.output in KINDS
    assert {kind.removesuffix("[]") for kind in plate.inputs.values()} <= KINDS.keys()


def test_unknown_step_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no step 'ingest': .*the steps are .*ingest_labels"):
        read_plate("ingest")


@pytest.mark.parametrize("text", ['image = "data"', 'image = "gpu"\noutput = "x"', "image = ", 'colour = "red"'])
def test_wrong_plate_is_named_by_its_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "tasks/fly").mkdir(parents=True)
    (tmp_path / "tasks/fly/step.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"tasks/fly/step\.toml: "):
        read_plate("fly", tmp_path)
