"""From a job that CVAT calls finished to the issue that its annotator reads: three steps, and a server that answers as CVAT."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from include.artifacts import LabelReturn
from include.errors import ConfigError, NothingToDo
from include.step.run import StepRun, publish
from include.storage import Store, open_store
from tasks.ingest_labels.__main__ import ingest
from tasks.ingest_labels.config import IngestLabels
from tasks.return_labels import __main__ as step_module
from tasks.return_labels.config import ReturnLabels
from tasks.return_labels.objections import objections
from tasks.validate_annotations.__main__ import validate
from tasks.validate_annotations.config import ValidateAnnotations
from tests.cvat_server import Cvat
from tests.deliveries import picture
from tests.hosted_servers.serving import serving

Make = Callable[..., StepRun[Any]]
CLASSES = {"tree": "Tree", "shrub": "Shrub"}


def box(number: int, *corners: float, label: int = 7) -> dict[str, Any]:
    return {"id": number, "frame": 0, "label_id": label, "type": "rectangle", "points": list(corners), "rotation": 0.0}


@pytest.fixture
def cvat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cvat]:
    monkeypatch.setenv("VISIONLOOP_LABELS_TOKEN__ORCHARD", "pat.secret")
    monkeypatch.setenv("VISIONLOOP_PAGES", "http://airflow.example/visionloop")
    with serving(Cvat()) as server:
        # a good box, one that is a point, one outside the picture of 200 × 100 px
        job = server.job(shapes=[box(1, 10, 10, 60, 60), box(2, 5, 5, 5, 5), box(3, 150, 50, 290, 90)])
        server.files[job, 0] = picture(1, 200, 100)
        server.change(job, state="completed", stage="acceptance")
        yield server


class Orchard:
    """Takes in and validates what CVAT has; then gives back."""

    def __init__(self, folder: Path, cvat: Cvat, step_run: Make) -> None:
        self.store: Store = open_store(f"file://{folder}/store")
        self.service, self.step_run = {"url": cvat.url, "project": 3}, step_run

    def checked(self, run: str = "r1") -> dict[str, str]:
        """Addresses of the batch and of its checked labels."""
        place = {"source": "orchard", "kind": "cvat", "service": self.service}
        step = self.step_run("ingest_labels", IngestLabels.model_validate(place), self.store, {}, run)
        batch = publish(self.store, ingest(step), step.output)
        rules = {"source": "orchard", "owner": "lead", "classes": CLASSES, "rules": {"box_min_side": {"min_side_px": 2}}}
        address = {"batch": batch.standing_address}
        step = self.step_run("validate_annotations", ValidateAnnotations.model_validate(rules), self.store, address, run)
        return address | {"checked": publish(self.store, validate(step), step.output).standing_address}

    def give_back(self, addresses: dict[str, str], run: str = "r1", **config: Any) -> LabelReturn:
        said = {"source": "orchard", "kind": "cvat", "service": self.service, **config}
        step = self.step_run("return_labels", ReturnLabels.model_validate(said), self.store, addresses, run)
        return publish(self.store, step_module.give_back(step), step.output)


@pytest.fixture
def orchard(tmp_path: Path, cvat: Cvat, step_run: Make) -> Orchard:
    return Orchard(tmp_path, cvat, step_run)


def test_annotator_reads_rule_and_picture_and_the_job_is_open_again(orchard: Orchard, cvat: Cvat) -> None:
    card = orchard.give_back(orchard.checked())
    assert [(one.item, one.objections) for one in card.returned] == [("job-1", 2)]
    assert (cvat.jobs[1]["stage"], cvat.jobs[1]["state"]) == ("annotation", "in progress")
    assert [issue["position"] for issue in cvat.issues.values()] == [[5, 5, 5, 5], [150, 50, 290, 90]]
    messages = [comment["message"] for comment in cvat.comments.values()]
    assert messages[0].startswith("box_positive_area: got 0×0 px")
    assert messages[1].startswith("box_inside_image: got x 150 to 290, y 50 to 90 in an image of 200×100")
    page = "http://airflow.example/visionloop/artifacts/runs/model__trees/r1/return_labels/report.html"
    assert [f"{page}#job-1-{number}" in message for number, message in enumerate(messages)] == [True, True]
    report = orchard.store.read(card.report).decode()
    assert report.count("<img src='data:image/jpeg;base64,") == 2
    assert "<div id='job-1-1'>" in report


def test_killed_and_started_again_it_says_nothing_twice(orchard: Orchard, cvat: Cvat, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = orchard.checked()

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt  # after the service was told, before the card stands

    with monkeypatch.context() as patched:
        patched.setattr(StepRun, "card", killed)
        with pytest.raises(KeyboardInterrupt):
            orchard.give_back(addresses)
    orchard.give_back(addresses)
    assert len(cvat.issues) == 2


def test_team_chooses_what_annotators_hear_of(orchard: Orchard, cvat: Cvat) -> None:
    card = orchard.give_back(orchard.checked(), rules=["box_inside_image"])
    assert card.left_out == {"box_positive_area": 1}
    assert len(cvat.issues) == 1


def test_nothing_that_an_annotator_could_mend_is_nothing_to_do(orchard: Orchard, cvat: Cvat) -> None:
    with pytest.raises(NothingToDo, match=r"2 rejections, none that an annotator could mend: \{'box_positive_area': 1, "):
        orchard.give_back(orchard.checked(), rules=["known_class"])
    assert not cvat.issues


def test_service_that_takes_nothing_back_is_said_before_anything_is_done(orchard: Orchard) -> None:
    said = {"kind": "zillin", "service": {"url": "http://127.0.0.1:1", "export": "export.json"}}
    with pytest.raises(ConfigError, match="source orchard: zillin takes no labels back"):
        orchard.give_back(orchard.checked(), **said)


REJECTED = {
    "subject": "annotation",
    "key": "a/b#0",
    "image_key": "s/a/b/x.png",
    "annotation_id": "1",
    "rule": "r",
    "got": "g",
    "expected": "e",
}


def test_image_that_is_set_aside_with_its_labels_is_said_once() -> None:
    image = {**REJECTED, "subject": "image", "key": "s/a/b/x.png", "annotation_id": None}
    said = objections([image, REJECTED, {**REJECTED, "key": "a/b#1"}], {"a/b": "item"}, "s", None, None)
    assert [(one.picture, one.annotation_id) for one in said.of["item"]] == [("x.png", None)]
    assert said.left_out == {"r": 2}


def test_label_of_no_picture_is_found_by_its_key() -> None:
    said = objections([{**REJECTED, "image_key": None}], {"a": "wrong", "a/b": "item"}, "s", None, None)
    assert list(said.of) == ["item"]
    assert said.of["item"][0].picture == ""


def test_what_belongs_to_no_delivery_is_counted() -> None:
    assert objections([REJECTED], {"other": "item"}, "s", None, None).left_out == {"r": 1}
