import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from include.artifacts import SpotCheck, Stratum
from include.errors import BadInputError
from include.spot_checks.sheet import Row, to_json
from include.storage import open_store
from tests.cli.cards import made

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Batch b1 of trees: three of 90 trees, one of 10 bushes."""
    monkeypatch.setenv("VISIONLOOP_STORE", f"file://{tmp_path}/store")
    monkeypatch.setenv("VISIONLOOP_STARTED_BY", "ada")
    monkeypatch.setenv("COLUMNS", "200")
    store = open_store(f"file://{tmp_path}/store")
    strata = tuple(
        Stratum(subject="annotation", name=name, population=population, sampled=sampled)
        for name, population, sampled in (("Tree", 90, 3), ("Bush", 10, 1))
    )
    card = SpotCheck(made_by=made("spot_check"), inputs={}, config={}, source="trees", batch_id="b1", by=("class_name",),
                     strata=strata, sample="runs/r1/sample.json", page="p", sheet="s")  # fmt: skip
    store.create(card.standing_address, card.to_bytes())
    names = ["Tree", "Tree", "Tree", "Bush"]
    rows = [
        Row(n, "annotation", f"d#{n}", "s/a.png", "0" * 32, name, name, (1.0, 1.0, 2.0, 2.0)) for n, name in enumerate(names, 1)
    ]
    store.write(card.sample, to_json(rows))
    return store


def run(*words):
    return CliRunner().invoke(app, ["labels", "review", *map(str, words)])


def fill(path, *verdicts):
    """The sheet that the command writes, as a person fills it in."""
    run("trees", "b1", "--sheet", path)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    path.write_text("\n".join([lines[0], *(f"{line.rpartition(',')[0].rpartition(',')[0]},{verdict}," for line, verdict in
                                           zip(lines[1:], verdicts, strict=True))]))  # fmt: skip
    return path


def test_a_filled_sheet_is_recorded_and_says_what_share_is_wrong(store, tmp_path):
    answer = run("trees", "b1", fill(tmp_path / "s.csv", "ok", "ok", "wrong class", "ok"))
    assert "4 verdicts recorded, 0 were known, 0 rows have none" in answer.output
    # a third of the trees, none of the bushes: 0.9 / 3
    assert "4 of 4 sampled labels reviewed (1 wrong class): 30.0% of all 100 labels are wrong" in answer.output
    (entry,) = store.list("labels/trees/spot_checks/b1/verdicts")
    assert json.loads(store.read(entry.key))["who"] == "ada"


def test_the_same_sheet_again_records_nothing_and_a_half_filled_one_its_half(store, tmp_path):
    sheet = fill(tmp_path / "s.csv", "ok", "", "", "")
    assert "1 verdicts recorded, 0 were known, 3 rows have none" in run("trees", "b1", sheet).output
    assert "0 verdicts recorded, 1 were known, 3 rows have none" in run("trees", "b1", sheet).output
    found = json.loads(run("trees", "b1", "--json").output)
    assert (found["of"]["annotation"]["reviewed"], found["of"]["annotation"]["covered"]) == (1, 0.9)


def test_a_verdict_is_changed_only_when_that_is_said(store, tmp_path):
    run("trees", "b1", fill(tmp_path / "s.csv", "ok", "ok", "ok", "ok"))
    sheet = fill(tmp_path / "s.csv", "ok", "ok", "ok", "not an object")
    refused = run("trees", "b1", sheet).exception
    assert isinstance(refused, BadInputError)
    assert "item 4: ok, now not an object" in str(refused)
    assert "1 verdicts recorded, 3 were known" in run("trees", "b1", sheet, "--change").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("trees", "b9"), "no spot check of batch b9; there are those of b1"),
        (("oaks", "b1"), "none; a source says so with a section spot_check"),
        (("trees", "b1", "nowhere.csv"), "nowhere.csv: no such file; write one with --sheet"),
    ],
    ids=["another batch", "another source", "no file"],
)
def test_what_is_not_there_is_named(store, words, said):
    error = run(*words).exception
    assert isinstance(error, BadInputError)
    assert said in str(error)


def test_a_wrong_sheet_is_named_with_its_file(store, tmp_path):
    (tmp_path / "bad.csv").write_text("source,batch,item,verdict\ntrees,b1,7,ok\n")
    assert str(run("trees", "b1", tmp_path / "bad.csv").exception).startswith(f"{tmp_path}/bad.csv: 1 problems, nothing was rec")


def test_batches_are_listed_with_what_was_found(store, tmp_path):
    assert "not reviewed" in run("trees").output
    run("trees", "b1", fill(tmp_path / "s.csv", "ok", "ok", "wrong class", "ok"))
    assert "30.0% (" in run("trees").output
    (found,) = json.loads(run("trees", "--json").output)
    assert (found["batch"], found["of"]["annotation"]["wrong"]) == ("b1", 1)
