"""The step as it runs: `python -m tasks.validate_annotations`, and its Data Docs in a browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from include.artifacts import StoppedLabels
from include.errors import BadInputError, ConfigError
from include.findings import as_rows, checkings, findings_of
from include.step.run import StepRun, publish
from include.storage import ContentStore, Store, open_store
from tasks.validate_annotations.__main__ import validate
from tasks.validate_annotations.config import ValidateAnnotations
from tests.deliveries import box, coco, deliver, image, picture
from tests.dying_store import DyingStore, Killed, state
from tests.step_process import StepProcess

CONFIG = {"source": "trees", "owner": "lead", "classes": {"Tree": "Tree"}, "rules": {"box_min_side": {"min_side_px": 2}}}
BATCH = {"batch": "runs/a_dag/r1/ingest_labels/card.json"}


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one batch: two sound boxes, one of no width whose class tries to be a script, one damaged picture."""
    folder = tmp_path_factory.mktemp("ingested")
    labels = coco(
        [image(1, "1.png"), image(2, "2.png"), image(3, "<b>bad</b>.png")],
        [box(1, 1), box(2, 2), box(3, 1, (0, 0, 0, 9)), box(4, 1, (30, 30, 9, 9), category_id=2)],
        classes=("Tree", "<script>alert(1)</script>"),
    )
    deliver(folder, "d1", labels, {"1.png": picture(1), "2.png": picture(2), "<b>bad</b>.png": picture(3)[:50]})
    deliver(folder, "d2", b"<i>", {})
    assert StepProcess(folder).run("ingest_labels", {"source": "trees", "prefix": "inbox/trees"}).exit_code == 0
    return folder


@pytest.fixture(scope="module")
def checked(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[StepProcess, dict[str, Any]]:
    steps = StepProcess(tmp_path_factory.mktemp("checked") / "store")
    shutil.copytree(ingested, steps.folder)
    ended = steps.run("validate_annotations", CONFIG, inputs=BATCH)
    assert ended.exit_code == 0, ended.stderr
    card = json.loads((steps.folder / "runs/a_dag/r1/validate_annotations/card.json").read_text())
    return steps, card


def test_card_counts_what_was_accepted_and_what_was_not(checked: tuple[StepProcess, dict[str, Any]]) -> None:
    _, card = checked
    assert (card["images_accepted"], card["images_rejected"]) == (2, 1)
    assert (card["annotations_accepted"], card["annotations_rejected"]) == (2, 2)
    assert card["rejected_by_rule"] == {"image_readable": 1, "box_positive_area": 1, "known_class": 1}


def test_card_stands_beside_its_batch(checked: tuple[StepProcess, dict[str, Any]]) -> None:
    steps, card = checked
    assert (steps.folder / f"labels/trees/checked/{card['batch_id']}.json").exists()
    assert (steps.folder / f"labels/trees/batches/{card['batch_id']}.json").exists()


def test_data_docs_name_no_other_host_and_no_script(checked: tuple[StepProcess, dict[str, Any]]) -> None:
    steps, card = checked
    pages = list((steps.folder / card["data_docs"]).parent.rglob("*.html"))
    assert len(pages) == 14  # the index, three broken rules, five suites, five results
    for page in pages:
        text = page.read_text()
        assert "<script" not in text
        assert "<link" not in text
        assert 'src="http' not in text


@pytest.mark.parametrize("writes", [0, 8, 16, 19], ids=["before any", "pages", "tables", "the batch's card stands"])
def test_killed_and_run_again_ends_as_if_never_killed(
    writes: int,
    checked: tuple[StepProcess, dict[str, Any]],
    ingested: Path,
    tmp_path: Path,
    step_run: Callable[..., StepRun[Any]],
) -> None:
    folder = tmp_path / "store"
    shutil.copytree(ingested, folder)

    def once(store: Store) -> None:
        step = step_run("validate_annotations", ValidateAnnotations.model_validate(CONFIG), store, BATCH)
        step.output = "runs/a_dag/r1/validate_annotations"
        publish(store, validate(step), step.output)

    with pytest.raises(Killed):
        once(DyingStore(f"file://{folder}", writes))
    assert not (folder / "runs/a_dag/r1/validate_annotations/card.json").exists()
    once(open_store(f"file://{folder}"))
    assert state(folder).keys() == state(checked[0].folder).keys()


STOPPING = {**CONFIG, "gates": [{"rules": ["known_class"], "max_share": 0.2, "min_rows": 1}]}


@pytest.fixture
def stopped(ingested: Path, tmp_path: Path) -> StepProcess:
    """A store in which a gate has stopped the batch: one of its four labels has no known class."""
    steps = StepProcess(tmp_path / "stopped")
    shutil.copytree(ingested, steps.folder)
    ended = steps.run("validate_annotations", STOPPING, inputs=BATCH)
    assert ended.exit_code == 3, ended.stderr
    assert "is stopped by gate on known_class: 1 of 4 (25.0%); at most 20.0%" in ended.stderr
    return steps


def test_stopped_batch_has_findings_and_data_docs_and_no_card(stopped: StepProcess) -> None:
    assert not list(stopped.folder.glob("labels/trees/checked/*"))
    assert not (stopped.folder / "runs/a_dag/r1/validate_annotations/card.json").exists()
    (card,) = (StoppedLabels.from_bytes(one.read_bytes(), "") for one in stopped.folder.glob("labels/trees/stopped/*.json"))
    assert card.stopped_by == ("gate on known_class: 1 of 4 (25.0%); at most 20.0%",)
    assert "Stopped: nothing of this batch teaches." in (stopped.folder / card.data_docs).read_text()
    (found,) = checkings(open_store(f"file://{stopped.folder}"), "trees")
    rows = [
        row for table in findings_of(ContentStore(open_store(f"file://{stopped.folder}")), found, True) for row in as_rows(table)
    ]
    assert {row["action"] for row in rows} == {"reject image", "reject annotation", "stop"}


def test_stopped_batch_goes_on_under_a_changed_rule_and_the_stop_is_history(stopped: StepProcess) -> None:
    ended = stopped.run("validate_annotations", CONFIG, inputs=BATCH, run_id="r2")
    assert ended.exit_code == 0, ended.stderr
    (found,) = checkings(open_store(f"file://{stopped.folder}"), "trees")
    assert found.state == "checked"


def test_stopped_batch_is_let_through_with_a_reason(stopped: StepProcess) -> None:
    ended = stopped.run("validate_annotations", {**STOPPING, "let_through_because": "a new class"}, inputs=BATCH, run_id="r2")
    assert ended.exit_code == 0, ended.stderr
    card = json.loads((stopped.folder / "runs/a_dag/r2/validate_annotations/card.json").read_text())
    assert card["let_through"]["reason"] == "a new class"
    page = (stopped.folder / card["data_docs"]).read_text()
    assert f"Stopped, and let through by {card['let_through']['person']}: a new class." in page


@pytest.mark.parametrize("writes", [0, 8, 15], ids=["before any", "pages", "findings"])
def test_killed_while_it_stops_and_run_again_ends_as_if_never_killed(
    writes: int, stopped: StepProcess, ingested: Path, tmp_path: Path, step_run: Callable[..., StepRun[Any]]
) -> None:
    folder = tmp_path / "store"
    shutil.copytree(ingested, folder)
    for store, ends in ((DyingStore(f"file://{folder}", writes), Killed), (open_store(f"file://{folder}"), BadInputError)):
        step = step_run("validate_annotations", ValidateAnnotations.model_validate(STOPPING), store, BATCH)
        step.output = "runs/a_dag/r1/validate_annotations"
        with pytest.raises(ends):
            validate(step)
    assert state(folder).keys() == state(stopped.folder).keys()


def test_batch_of_another_source_is_a_wrong_configuration(ingested: Path, step_run: Callable[..., StepRun[Any]]) -> None:
    config = ValidateAnnotations.model_validate({**CONFIG, "source": "crowns"})
    with pytest.raises(ConfigError, match="a batch of source trees, expected crowns"):
        validate(step_run("validate_annotations", config, open_store(f"file://{ingested}"), BATCH))


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    if not Path("/usr/bin/chromium").exists():
        pytest.skip("no /usr/bin/chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1300, "height": 900}, offline=True)
        yield page
        browser.close()


@pytest.mark.integration
def test_data_docs_are_readable_in_a_browser_without_network(
    checked: tuple[StepProcess, dict[str, Any]], browser_page: Any
) -> None:
    steps, card = checked
    asked: list[str] = []
    browser_page.on("request", lambda request: asked.append(request.url))
    browser_page.goto(f"file://{steps.folder}/{card['data_docs']}")
    text = browser_page.inner_text("body")
    assert "2 of 4 boxes on 2 of 3 images teach." in text
    assert "damaged" in text
    assert "Deliveries refused whole" in text
    assert browser_page.locator("figure img").evaluate_all("all => all.map(one => one.naturalWidth > 0)") == [True, True]
    browser_page.click("h3:has-text('known_class') + p a")
    assert "class <script>alert(1)</script>" in browser_page.inner_text("table")
    browser_page.go_back()
    assert "<b>bad</b>.png" in text
    assert "0×9 px (also breaks box_min_side)" in text
    browser_page.click("text=3-annotations >> nth=0")
    detail = browser_page.inner_text("body")
    assert "box_positive_area: width and height above 0" in detail
    assert "1 unexpected values found" in detail
    browser_page.click("text=Home")
    assert "Rules" in browser_page.inner_text("body")
    assert all(url.startswith("file://") for url in asked)
