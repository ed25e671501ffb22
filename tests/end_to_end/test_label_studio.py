"""Annotators work in a real Label Studio; a real Airflow takes in what they finish, by poll and by webhook."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from include.artifacts import CheckedLabels
from include.artifacts.label_batch import LabelBatch
from include.labelling.ledger import Ledger
from tests.deliveries import picture
from tests.end_to_end import shapes
from tests.end_to_end.browser import logged_in
from tests.end_to_end.loop import Loop
from tests.label_studio_server import Studio, label_studio

pytestmark = [pytest.mark.e2e, pytest.mark.integration, pytest.mark.timeout(1800)]
SECRET = "a webhook's secret"
SOURCE = """
owner: labelling-lead
kind: label_studio
service: {{url: "{url}", project: {project}}}
poll_every_s: {poll_every_s}
validate_annotations:
  classes: {{tree: square, shrub: disc}}
"""


SAMPLED = "spot_check: {sample: 4, images: 1}\nmin_new_images: 4\nmax_wait_s: 3600\n"
REVIEWED = "find_label_errors: {min_score: 0.0}\nreturn_suspects: {min_score: 0.0}\n"  # one epoch teaches nobody to be sure


class Orchard:
    """Label Studio and Visionloop beside each other: `orchard` is polled every second, `garden` is woken by webhooks, `nursery`
    is looked at by hand, and takes back what was set aside. `meadow` teaches the model of shapes, and is told what it suspects.
    """

    def __init__(self, loop: Loop, studio: Studio) -> None:
        self.loop, self.studio = loop, studio
        self.project = {name: studio.project() for name in ("orchard", "garden", "nursery", "meadow")}
        self.pictures = 0

    def task(self, source: str) -> int:
        """A picture of its own to label, 64 × 48 px."""
        self.pictures += 1
        return self.studio.upload(self.project[source], f"{self.pictures}.png", picture(self.pictures))

    def box(self, label: str, *percent: float) -> dict[str, Any]:
        return self.studio.box(label, *percent, size_px=(64, 48))

    def batches(self, source: str) -> list[LabelBatch]:
        return Ledger(self.loop.store, source).batches

    def taken(self, source: str, count: int, within_s: float = 300) -> list[LabelBatch]:
        return self.loop.until(
            lambda: found if len(found := self.batches(source)) >= count else [], f"batch {count} of {source}", within_s
        )

    def checked(self, source: str, batch: LabelBatch) -> CheckedLabels:
        address = f"labels/{source}/checked/{batch.batch_id}.json"
        self.loop.until(lambda: self.loop.store.exists(address), address)
        return CheckedLabels.load(self.loop.store, address)


@pytest.fixture(scope="module")
def orchard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orchard]:
    folder = tmp_path_factory.mktemp("orchard")
    with label_studio(folder / "studio") as studio:
        tokens = {f"VISIONLOOP_LABELS_TOKEN__{name}": studio.token for name in ("ORCHARD", "GARDEN", "NURSERY", "MEADOW")}
        loop = Loop(folder, epochs=1, **tokens, VISIONLOOP_WEBHOOK_SECRET__GARDEN=SECRET)
        both = Orchard(loop, studio)
        definitions = folder / "definitions"
        sources = (("orchard", 1, ""), ("garden", 3600, ""), ("nursery", 3600, "return_labels: {}\n"), ("meadow", 1, SAMPLED))
        for name, poll_every_s, more in sources:
            text = SOURCE.format(url=studio.url, project=both.project[name], poll_every_s=poll_every_s) + more
            (definitions / "sources" / f"{name}.yaml").write_text(text)
        (definitions / "datasets" / "shapes.yaml").write_text(shapes.DATASET.replace("[shapes]", "[shapes, meadow]"))
        with (definitions / "models" / "shapes.yaml").open("a") as model:
            model.write(REVIEWED)
        try:
            loop.up()
            loop.until(lambda: all(loop.api.has_dag(f"labels__{name}") for name in both.project), "the sources' DAGs")
            yield both
        finally:
            loop.close()


def test_finished_task_is_taken_in_by_poll_and_a_correction_after_it(orchard: Orchard) -> None:
    studio, task = orchard.studio, orchard.task("orchard")
    waiting = orchard.task("orchard")
    annotation = studio.annotate(task, [orchard.box("tree", 25, 25, 50, 25)])
    (batch,) = orchard.taken("orchard", 1)
    assert [(one.item, one.images, one.annotations) for one in batch.deliveries] == [(f"task-{task}", 1, 1)]
    checked = orchard.checked("orchard", batch)
    assert (checked.images_accepted, checked.annotations_accepted, checked.rejected_by_rule) == (1, 1, {})
    studio.ask(
        "PATCH",
        f"/api/annotations/{annotation}/",
        json={"result": [orchard.box("tree", 25, 25, 50, 50), orchard.box("shrub", 0, 0, 20, 20)]},
    )
    studio.skip(waiting)
    first, second = orchard.taken("orchard", 2)
    assert second.supersedes == {first.batch_id: (f"task-{task}",)}
    assert second.annotations == 2
    seen = orchard.loop.until(
        lambda: (one := Ledger(orchard.loop.store, "orchard").seen) and one[f"task-{waiting}"].status == "skipped" and one,
        "the skip",
        300,
    )
    assert seen[f"task-{task}"].status == "finished"


def test_webhook_wakes_a_source_that_is_polled_once_an_hour(orchard: Orchard) -> None:
    studio, task = orchard.studio, orchard.task("garden")
    url = orchard.loop.stack.url("airflow") + "/visionloop/webhooks/garden"
    hook = {"url": url, "project": orchard.project["garden"], "send_payload": True, "headers": {"X-Visionloop-Secret": SECRET}}
    studio.ask("POST", "/api/webhooks/", json=hook)
    started = time.monotonic()
    studio.annotate(task, [orchard.box("tree", 25, 25, 50, 25)])
    (batch,) = orchard.taken("garden", 1, within_s=300)
    assert [one.item for one in batch.deliveries] == [f"task-{task}"]
    assert time.monotonic() - started < 300


def test_forged_webhook_wakes_nobody(orchard: Orchard) -> None:
    import httpx

    answer = httpx.post(
        orchard.loop.stack.url("airflow") + "/visionloop/webhooks/garden",
        json={"action": "ANNOTATION_CREATED"},
        headers={"X-Visionloop-Secret": "guess"},
    )
    assert answer.status_code in (401, 403, 404)


def test_sync_by_hand_gives_back_what_was_set_aside_once(orchard: Orchard) -> None:
    studio, task = orchard.studio, orchard.task("nursery")
    twice = orchard.box("tree", 25, 25, 50, 25)
    studio.annotate(task, [twice, twice | {"id": "again"}])
    done = CliRunner().invoke(app, ["labels", "sync", "nursery"])
    assert done.exit_code == 0, done.output
    (batch,) = orchard.batches("nursery")
    assert orchard.checked("nursery", batch).rejected_by_rule == {"no_duplicate_box": 1}
    (prediction,) = studio.ask("GET", f"/api/tasks/{task}/")["predictions"]
    (region,) = prediction["result"]
    assert region["meta"]["text"][0].startswith("no_duplicate_box: got ")
    again = CliRunner().invoke(app, ["labels", "sync", "nursery"])  # a note of ours is no new work of theirs
    assert (again.exit_code, again.output.splitlines()[-1]) == (0, "nursery: nothing new")
    assert len(studio.ask("GET", f"/api/tasks/{task}/")["predictions"]) == 1


def test_annotators_hear_of_what_the_champion_suspects_once_a_person_approves(orchard: Orchard) -> None:
    loop, studio = orchard.loop, orchard.studio
    shapes.deliver(loop.store, "day-1", first_seed=0)
    loop.decided(1)
    loop.api.client.patch("/dags/model__shapes", json={"is_paused": True}).raise_for_status()  # the champion is to stay
    tasks = []
    for seed in range(100, 104):
        data, boxes = shapes.picture(seed)
        tasks.append(studio.upload(orchard.project["meadow"], f"{seed}.png", data))
        percent = [[side / shapes.SIDE_PX * 100 for side in box["bbox"]] for box in boxes]
        studio.annotate(tasks[-1], [studio.box("tree", *sides, size_px=(96, 96)) for sides in percent])
    orchard.taken("meadow", 1)
    loop.until(lambda: loop.versions() == ["v1", "v2"], "a version with the meadow")
    run_id = loop.api.trigger("review__shapes", {"dataset_version": "v2"})
    loop.until(lambda: (one := loop.task("review__shapes", "approve")) and one.state == "awaiting_input", "a question")
    assert not any(predictions(studio, tasks))
    with logged_in(loop.stack) as page:
        page.goto(f"{loop.api.url}/required_actions")
        page.get_by_role("link", name="Send the likeliest label errors").click()
        page.get_by_label("How many").fill("3")
        page.get_by_role("button", name="Approve").click()
        loop.until(lambda: loop.api.run_state("review__shapes", run_id) in ("success", "failed"), "the end of the review")
    assert loop.api.run_state("review__shapes", run_id) == "success", loop.standing()
    regions = [region for told in predictions(studio, tasks) for one in told for region in one["result"]]
    assert len(regions) == 3


def predictions(studio: Studio, tasks: list[int]) -> list[list[dict[str, Any]]]:
    return [studio.ask("GET", f"/api/tasks/{task}/")["predictions"] for task in tasks]


def test_a_verdict_on_a_sampled_label_is_clicked_and_counts(orchard: Orchard) -> None:
    loop = orchard.loop
    (batch,) = orchard.batches("meadow")

    def drawn():
        tasks = (loop.task("labels__meadow", "spot_check", run=number) for number in range(len(loop.runs("labels__meadow"))))
        return next((task for task in tasks if task.state == "success"), None)

    spot = loop.until(drawn, "the sample")
    with logged_in(loop.stack) as page:
        page.goto(f"{loop.api.url}/dags/labels__meadow/runs/{spot.run_id}/tasks/spot_check/details")
        page.goto(page.get_by_role("link", name="Spot check").get_attribute("href"))
        verdicts = page.get_by_role("radio", name="wrong class")
        assert verdicts.count() == 4
        for verdict in verdicts.all():
            verdict.check()
        page.get_by_role("button").first.click()
        page.get_by_text("Looked at by admin.").wait_for()
    told = json.loads(CliRunner().invoke(app, ["labels", "review", "meadow", batch.batch_id, "--json"]).output)
    assert (told["verdicts"], told["people"]) == ({"annotation": {"wrong class": 4}, "image": {}}, ["admin"])
