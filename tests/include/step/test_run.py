"""The shell of every step, with a real one in it: ingest_labels needs no input and is quick."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from include.artifacts import LabelBatch
from include.errors import BadInputError, ConfigError, NothingToDo
from include.step import run as run_module
from include.step.plate import read_plate
from include.step.run import StepRun, publish
from include.storage import Store, open_store

OUTPUT = "runs/labels__trees/r1/ingest_labels"


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    strictness: int = 1


def work(step: StepRun[Options]) -> LabelBatch:
    md5 = step.content.put(b"")
    step.log.info("worked")
    return step.card(
        LabelBatch, source="trees", batch_id=f"{step.config.strictness:012x}", deliveries=(), images_table=md5,
        annotations_table=md5, images=0, annotations=0,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def run(store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Callable[..., tuple[int, str]]:
    """Exit code and what was logged of a step that runs `does`."""

    def once(
        does: Callable[..., Any] = work, after: Any = None, config: str = "{}", output: str = OUTPUT, flags: tuple[str, ...] = ()
    ) -> tuple[int, str]:
        caplog.clear()
        caplog.set_level("INFO")
        words = ["step", "--output", output, "--config", config, "--store", store.url, *flags]
        monkeypatch.setattr(sys, "argv", words)
        monkeypatch.setattr(run_module.logging, "captureWarnings", lambda _: None)
        try:
            run_module.main("ingest_labels", Options, does, after)
        except SystemExit as exit:
            return int(exit.code or 0), caplog.text
        return 0, caplog.text

    return once


def test_card_is_written_and_says_where_it_comes_from(run: Any, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DAG_ID", "labels__trees"), ("RUN_ID", "r1"), ("STARTED_BY", "ada"), ("GIT_COMMIT", "c0ffee")):
        monkeypatch.setenv(f"VISIONLOOP_{name}", value)
    assert run(config='{"strictness": 3}')[0] == 0
    card = LabelBatch.load(store, f"{OUTPUT}/card.json")
    assert card == LabelBatch.load(store, card.standing_address)
    assert (card.made_by.dag_id, card.made_by.run_id, card.made_by.started_by) == ("labels__trees", "r1", "ada")
    assert card.config == {"strictness": 3}
    assert card.made_by.duration_s >= 0


def test_work_is_done_once(run: Any) -> None:
    assert "worked" in run()[1]
    code, log = run()
    assert code == 0
    assert "already done" in log
    assert "worked" not in log


def test_finished_output_refuses_another_configuration(run: Any) -> None:
    run()
    code, log = run(config='{"strictness": 2}')
    assert code == 2
    assert f"{OUTPUT}/card.json was made with another configuration; start a new run" in log


def test_what_comes_after_the_card_runs_on_every_try(run: Any) -> None:
    calls: list[str] = []

    def after(step: StepRun[Options], card: LabelBatch) -> None:
        calls.append(card.batch_id)
        raise BadInputError("still bad")

    assert [run(after=after)[0] for _ in range(2)] == [3, 3]
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("error", "code", "level"),
    [(ConfigError, 2, "ERROR"), (BadInputError, 3, "ERROR"), (NothingToDo, 99, "INFO")],
)
def test_exit_code_and_one_line_say_how_it_ended(run: Any, store: Store, error: type[Exception], code: int, level: str) -> None:
    def fails(step: StepRun[Options]) -> LabelBatch:
        raise error("what, where, got, expected")

    got, log = run(fails)
    assert got == code
    (line,) = [line for line in log.splitlines() if "what, where, got, expected" in line]
    assert level in line
    assert "Traceback" not in log
    assert not store.exists(f"{OUTPUT}/card.json")


def test_bug_keeps_its_traceback(run: Any) -> None:
    def bug(step: StepRun[Options]) -> LabelBatch:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        run(bug)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ('{"strictnes": 1}', "1 problem in section ingest_labels: strictnes: unknown key; is it spelt right?"),
        ('{"strictness": "many"}', "strictness: got 'many'"),
        ("{", "section ingest_labels"),
    ],
)
def test_wrong_configuration_names_section_and_key(run: Any, config: str, message: str) -> None:
    code, log = run(config=config)
    assert code == 2
    assert message in log


def test_input_that_the_step_does_not_have_is_refused(run: Any) -> None:
    code, log = run(flags=("--input", "labels=x"))
    assert code == 2
    assert "got inputs ['labels'], expected [] (tasks/ingest_labels/step.toml)" in log


def test_card_that_already_stands_is_adopted(run: Any, store: Store) -> None:
    assert run(output="runs/d/first/ingest_labels")[0] == 0
    assert run(output="runs/d/second/ingest_labels")[0] == 0
    first, second = (LabelBatch.load(store, f"runs/d/{one}/ingest_labels/card.json") for one in ("first", "second"))
    assert first == second


def a_step(store: Store, output: str = OUTPUT, run_id: str = "r1") -> StepRun[Options]:
    who = run_module.Identity("labels__trees", run_id, "ingest_labels", "a test", "c0ffee", "lock:1", "process")
    return StepRun(read_plate("ingest_labels"), Options(), {"batch": "labels/trees/batches/1.json"}, output, store, who)


def test_input_that_is_not_there_names_the_step_to_run(store: Store) -> None:
    with pytest.raises(BadInputError, match=r"input batch: .*labels/trees/batches/1\.json does not exist; run the step"):
        a_step(store).input("batch", LabelBatch)


def test_input_of_another_kind_is_refused(store: Store) -> None:
    store.write("labels/trees/batches/1.json", b'{"kind": "bundle"}')
    with pytest.raises(BadInputError, match="got a bundle card, expected label_batch"):
        a_step(store).input("batch", LabelBatch)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"kind": "label_batch"}'])
def test_input_that_is_no_card_is_refused(store: Store, data: bytes) -> None:
    store.write("labels/trees/batches/1.json", data)
    with pytest.raises(BadInputError, match=r"labels/trees/batches/1\.json: not a"):
        a_step(store).input("batch", LabelBatch)


def test_movable_name_means_the_same_in_the_whole_run(store: Store) -> None:
    step = a_step(store)
    assert step.freeze("dataset://trees:latest", lambda: "datasets/trees/v1.json") == "datasets/trees/v1.json"
    other = a_step(store, "runs/labels__trees/r1/another_step")
    assert other.freeze("dataset://trees:latest", lambda: pytest.fail("asked again")) == "datasets/trees/v1.json"
    assert a_step(store, "runs/labels__trees/r2/x").freeze("dataset://trees:latest", lambda: "v2") == "v2"


def test_own_earlier_try_is_known_by_dag_run_and_step(store: Store) -> None:
    card = publish(store, work(a_step(store)), OUTPUT)
    assert a_step(store).made(card)
    assert not a_step(store, run_id="r2").made(card)


@pytest.mark.parametrize("missing", [True, False], ids=["unset", "empty"])
def test_process_without_a_store_says_which_variable(missing: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "VISIONLOOP_STORE"}
    environment |= {"VISIONLOOP_STORE": ""} if not missing else {}
    config = json.dumps({"source": "trees", "prefix": "inbox"})
    command = [sys.executable, "-m", "tasks.ingest_labels", "--output", "x", "--config", config]
    done = subprocess.run(command, env=environment, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.returncode == 2
    assert "no store: set VISIONLOOP_STORE or pass --store" in done.stderr
    assert done.stdout == ""
