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


STRICT_GATE = {**CONFIG, "gates": [{"max_share": 0.4, "min_rows": 4}]}  # 2 of 4 annotations are set aside


@pytest.fixture(scope="module")
def stopped(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[StepProcess, str]:
    """The batch, stopped by a gate, and what the step said."""
    steps = StepProcess(tmp_path_factory.mktemp("stopped") / "store")
    shutil.copytree(ingested, steps.folder)
    ended = steps.run("validate_annotations", STRICT_GATE, inputs=BATCH)
    assert ended.exit_code == 3, ended.stderr
    return steps, ended.stderr


def test_stopped_batch_says_why_and_what_to_do(stopped: tuple[StepProcess, str]) -> None:
    said = stopped[1].splitlines()[-1]
    assert "is stopped by gate on rejected annotations: 2 of 4 (50.0%); at most 40.0%. See runs/" in said
    assert "or let the batch through: DAG labels_again__trees, batch " in said


def test_stopped_batch_has_findings_and_data_docs_but_no_card(stopped: tuple[StepProcess, str]) -> None:
    store = open_store(f"file://{stopped[0].folder}")
    (found,) = checkings(store, "trees")
    assert isinstance(found.card, StoppedLabels)
    assert found.card.stopped_by == ("gate on rejected annotations: 2 of 4 (50.0%); at most 40.0%",)
    rows = [row for table in findings_of(ContentStore(store), found, True) for row in as_rows(table)]
    assert [row["action"] for row in rows if row["subject"] == "batch"] == ["stop"]
    assert "Stopped: nothing of this batch teaches." in store.read(found.card.data_docs).decode()
    assert not (stopped[0].folder / "runs/a_dag/r1/validate_annotations/card.json").exists()
    assert not (stopped[0].folder / "labels/trees/checked").exists()


@pytest.mark.parametrize("writes", [0, 8, 15], ids=["before any", "pages", "findings"])
def test_killed_while_it_stops_and_run_again_ends_as_if_never_killed(
    writes: int,
    stopped: tuple[StepProcess, str],
    ingested: Path,
    tmp_path: Path,
    step_run: Callable[..., StepRun[Any]],
) -> None:
    folder = tmp_path / "store"
    shutil.copytree(ingested, folder)
    for store, ends in ((DyingStore(f"file://{folder}", writes), Killed), (open_store(f"file://{folder}"), BadInputError)):
        step = step_run("validate_annotations", ValidateAnnotations.model_validate(STRICT_GATE), store, BATCH)
        step.output = "runs/a_dag/r1/validate_annotations"
        with pytest.raises(ends):
            validate(step)
    assert state(folder).keys() == state(stopped[0].folder).keys()


@pytest.mark.parametrize(
    ("config", "let_through"),
    [({**STRICT_GATE, "let_through_because": "old camera"}, {"person": "a test", "reason": "old camera"}), (CONFIG, None)],
    ids=["let through", "rules changed"],
)
def test_stopped_batch_goes_on(
    stopped: tuple[StepProcess, str],
    tmp_path: Path,
    step_run: Callable[..., StepRun[Any]],
    config: dict[str, Any],
    let_through: Any,
) -> None:
    shutil.copytree(stopped[0].folder, tmp_path / "store")
    store = open_store(f"file://{tmp_path}/store")
    step = step_run("validate_annotations", ValidateAnnotations.model_validate(config), store, BATCH)
    card = json.loads(publish(store, validate(step), step.output).to_bytes())
    assert (card["annotations_accepted"], card["let_through"]) == (2, let_through)
    assert bool(card["stopped_by"]) == (let_through is not None)
    assert [one.state for one in checkings(store, "trees")] == ["checked"]
    page = store.read(card["data_docs"]).decode()
    assert ("Stopped, and let through by a test: old camera." in page) == (let_through is not None)


def test_batch_is_compared_with_the_last_one_of_its_source(checked: tuple[StepProcess, dict[str, Any]], tmp_path: Path) -> None:
    steps = StepProcess(tmp_path / "store")
    shutil.copytree(checked[0].folder, steps.folder)
    labels = coco([image(1, "9.png")], [box(n, 1, (4 * n, 4, 4, 16)) for n in range(1, 9)])
    deliver(steps.folder, "d3", labels, {"9.png": picture(9)})
    steps.run("ingest_labels", {"source": "trees", "prefix": "inbox/trees"}, run_id="r2")
    rules = {"counts_against_parent": {"min_images": 1}}
    inputs = {"batch": "runs/a_dag/r2/ingest_labels/card.json"}
    ended = steps.run("validate_annotations", {**CONFIG, "rules": rules}, run_id="r2", inputs=inputs)
    assert ended.exit_code == 0, ended.stderr
    card = json.loads((steps.folder / "runs/a_dag/r2/validate_annotations/card.json").read_text())
    first = checked[1]["batch_id"]
    assert [one["address"] for one in card["inputs"]["parent"]] == [f"labels/trees/checked/{first}.json"]
    assert card["warned_by_rule"]["counts_against_parent"] == 1
    # a copied inbox looks new, so d1 is in it again: 2 + 8 boxes on 3 images, after 2 on 2
    assert f"3.33 boxes per image; 1.00 in batch {first}" in ended.stderr


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
