import json

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from include.lineage import BUNDLE_TAG
from include.storage import open_store
from tests.cli.cards import write_lineage


class Registry:
    """An MLflow that knows one version of one model."""

    def __init__(self, bundle):
        self.version, self.tags = "3", {BUNDLE_TAG: bundle}


@pytest.fixture
def run(tmp_path, monkeypatch):
    url = f"file://{tmp_path}"
    bundle = write_lineage(open_store(url))["bundle"]
    monkeypatch.setenv("VISIONLOOP_STORE", url)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    known = {("trees", "champion"): Registry(bundle)}
    monkeypatch.setattr("include.lineage.Lineage.model_version", lambda self, name: known.get((name.name, name.version)))
    return lambda *words: CliRunner().invoke(app, ["trace", *words])


def test_the_chain_reaches_the_delivery(run):
    result = run("trees@champion")
    assert result.exit_code == 0
    in_order = [
        "trees version 3", "trees:1", "val/ap50 0.500", "trees:v1", "known_class 1", "3 images, 9 boxes",
        "inbox/trees/batch-1/annotations.json",
    ]  # fmt: skip
    places = [result.output.index(text) for text in in_order]
    assert places == sorted(places)
    assert "started by ada" in result.output
    assert "code c0ffee" in result.output
    assert "0.2500 EUR" in result.output


def test_json_for_scripts(run):
    found = json.loads(run("trees@champion", "--json").output)
    kinds, link = [], found["chain"]
    while True:
        kinds.append(link["card"]["kind"])
        if not link["made_from"]:
            break
        (link,) = link["made_from"]
    assert kinds == ["bundle", "checkpoint", "dataset_version", "checked_labels", "label_batch"]


def test_an_unknown_version_says_where_to_look(run):
    result = run("trees@7")
    assert "trees@7: MLflow has no such version" in str(result.exception)


def test_an_address_that_is_none_says_what_one_looks_like(run):
    assert "expected model://<name>@champion" in str(run("trees:champion").exception)
