"""Which version a step made is in its asset's event, also where only the form knew the dataset's name."""

import json

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import OutletEventAccessors

from tests.plugins.conftest import make_context
from visionloop_airflow import assets
from visionloop_airflow.process_step import ProcessStepOperator

pytestmark = pytest.mark.usefixtures("root")
CARD = {"kind": "dataset_version", "name": "trees", "version": "v3", "digest": "d" * 32}
MADE = {"version": "v3", "digest": "d" * 32}


@pytest.fixture
def run(plate, tmp_path, monkeypatch):
    """Run a step that leaves CARD, and give the events of its outlet."""
    monkeypatch.setenv("VISIONLOOP_STORE", f"file://{tmp_path}/store")
    card = tmp_path / "store/runs/model__cells/manual__2026-01-01T00_00_00_00_00/fake/card.json"
    card.parent.mkdir(parents=True)
    leave = f"import pathlib; pathlib.Path({str(card)!r}).write_text({json.dumps(CARD)!r})"

    def with_outlet(outlet, **config):
        step = ProcessStepOperator(task_id="fake", plate=plate, addresses={}, config={"run": leave} | config, outlets=[outlet])
        events = OutletEventAccessors()
        step.execute(make_context() | {"outlet_events": events})
        return events[outlet]

    return with_outlet


def test_the_event_of_a_datasets_asset_names_version_and_digest(run):
    assert run(assets.dataset("trees")).extra == MADE


def test_the_event_of_a_form_goes_to_the_dataset_that_it_named(run):
    (event,) = run(assets.whichever_dataset()).asset_alias_events
    assert (event.dest_asset_key.name, event.dest_asset_key.uri) == ("dataset/trees", assets.dataset("trees").uri)
    assert event.extra == MADE


def test_a_step_with_nothing_to_do_tells_of_no_version(run):
    with pytest.raises(AirflowSkipException):
        run(assets.whichever_dataset(), exit=99)
